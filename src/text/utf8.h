// UTF-8: decoding of text known to be valid, validation, and the lossy decoding of a byte stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::text {

struct CodePoint {
  uint32_t value;
  uint32_t size;  ///< bytes that it takes
};

/// The code point at `p`, which must start a well-formed sequence.
inline CodePoint decode_utf8(const char* p) {
  const auto* b = reinterpret_cast<const unsigned char*>(p);
  if (b[0] < 0x80) return {b[0], 1};
  if (b[0] < 0xE0) return {(b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu), 2};
  if (b[0] < 0xF0) return {(b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu), 3};
  return {(b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3Fu), 4};
}

void append_utf8(std::string& out, uint32_t code_point);

/// Offset of the first byte that is not part of well-formed UTF-8, or npos when all is well.
size_t find_invalid_utf8(std::string_view text);

/// Throws Error(kBadInput) naming `where`, the byte and its offset unless `text` is valid UTF-8.
void require_utf8(std::string_view text, std::string_view where);

/// Turns bytes that arrive in pieces into valid UTF-8 as early as possible: each maximal ill-formed
/// subpart becomes one U+FFFD at once (Unicode 3.9, WHATWG Encoding), and an incomplete sequence
/// that may still become valid is held back.
class Utf8Stream {
 public:
  /// Appends to `out` what `bytes` completes.
  void push(std::string_view bytes, std::string& out);
  /// Appends U+FFFD if a character was left incomplete; starts anew.
  void finish(std::string& out);
  bool pending() const { return held_size_ > 0; }

 private:
  char held_[4];
  int held_size_ = 0;   // bytes of the character under way
  int needed_ = 0;      // its size in all
  uint8_t low_ = 0x80;  // range of the next continuation byte
  uint8_t high_ = 0xBF;
};

}  // namespace fathom::text
