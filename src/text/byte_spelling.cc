#include "text/byte_spelling.h"

#include "text/utf8.h"

namespace fathom::text {

uint32_t spelling_of(int byte) {
  const auto printable = [](int b) {
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
  };
  if (printable(byte)) return static_cast<uint32_t>(byte);
  uint32_t next = 0x100;
  for (int b = 0; b < byte; ++b) next += printable(b) ? 0 : 1;
  return next;
}

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_utf8(out, spelling_of(static_cast<uint8_t>(c)));
  return out;
}

}  // namespace fathom::text
