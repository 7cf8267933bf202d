#include "text/json_string.h"

#include <fmt/format.h>

#include <iterator>

namespace fathom::text {
namespace {

void append_escape(std::string& out, char c) {
  constexpr std::string_view kNamed = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
  const size_t at = kNamed.find(c);
  if (at == std::string_view::npos) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<int>(c));
  } else {
    out += '\\';
    out += kNames[at];
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t done = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') continue;
    out += text.substr(done, i - done);
    append_escape(out, c);
    done = i + 1;
  }
  out += text.substr(done);
  out += '"';
}

}  // namespace fathom::text
