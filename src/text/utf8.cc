#include "text/utf8.h"

#include <cstring>

#include "base/error.h"

namespace fathom::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// What may follow a lead byte (Unicode table 3-7). size 0: not a lead byte.
struct Lead {
  int size;
  uint8_t low, high;  // range of the second byte
};

Lead lead_of(unsigned char b) {
  if (b < 0x80) return {1, 0, 0};
  if (b < 0xC2) return {0, 0, 0};
  if (b < 0xE0) return {2, 0x80, 0xBF};
  if (b == 0xE0) return {3, 0xA0, 0xBF};
  if (b == 0xED) return {3, 0x80, 0x9F};
  if (b < 0xF0) return {3, 0x80, 0xBF};
  if (b == 0xF0) return {4, 0x90, 0xBF};
  if (b < 0xF4) return {4, 0x80, 0xBF};
  if (b == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

size_t find_invalid_utf8(std::string_view text) {
  const char* data = text.data();
  size_t i = 0;
  while (i < text.size()) {
    if (i + 8 <= text.size()) {
      uint64_t word;
      std::memcpy(&word, data + i, 8);
      if ((word & 0x8080808080808080ull) == 0) {
        i += 8;
        continue;
      }
    }
    const Lead lead = lead_of(static_cast<unsigned char>(data[i]));
    if (lead.size == 0 || i + static_cast<size_t>(lead.size) > text.size()) return i;
    for (int k = 1; k < lead.size; ++k) {
      const auto b = static_cast<unsigned char>(data[i + static_cast<size_t>(k)]);
      if (b < (k == 1 ? lead.low : 0x80) || b > (k == 1 ? lead.high : 0xBF)) return i;
    }
    i += static_cast<size_t>(lead.size);
  }
  return std::string_view::npos;
}

void require_utf8(std::string_view text, std::string_view where) {
  const size_t bad = find_invalid_utf8(text);
  if (bad == std::string_view::npos) return;
  fail(ErrorKind::kBadInput, "{}: invalid UTF-8: byte 0x{:02X} at offset {}", where,
       static_cast<unsigned char>(text[bad]), bad);
}

void Utf8Stream::push(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    if (held_size_ > 0) {
      if (b >= low_ && b <= high_) {
        held_[held_size_++] = c;
        low_ = 0x80;
        high_ = 0xBF;
        if (held_size_ == needed_) {
          out.append(held_, static_cast<size_t>(held_size_));
          held_size_ = 0;
        }
        continue;
      }
      out += kReplacement;  // and this byte starts afresh
      held_size_ = 0;
    }
    const Lead lead = lead_of(b);
    if (lead.size == 0) {
      out += kReplacement;
    } else if (lead.size == 1) {
      out += c;
    } else {
      held_[0] = c;
      held_size_ = 1;
      needed_ = lead.size;
      low_ = lead.low;
      high_ = lead.high;
    }
  }
}

void Utf8Stream::finish(std::string& out) {
  if (held_size_ > 0) out += kReplacement;
  held_size_ = 0;
}

}  // namespace fathom::text
