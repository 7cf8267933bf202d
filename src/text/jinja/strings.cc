#include "text/jinja/strings.h"

#include <algorithm>
#include <stdexcept>

#include "text/utf8.h"

namespace fathom::text::jinja {
namespace {

size_t last_character_at(std::string_view s) {
  size_t at = s.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(s[at]) & 0xC0) == 0x80) --at;
  return at;
}

void require_ascii(std::string_view s) {
  if (std::any_of(s.begin(), s.end(),
                  [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    throw std::domain_error("changing the case of text beyond ASCII is not supported");
  }
}

char to_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

bool is_space(uint32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::string_view strip(std::string_view s, bool left, bool right) {
  while (left && !s.empty()) {
    const CodePoint c = decode_utf8(s.data());
    if (!is_space(c.value)) break;
    s.remove_prefix(c.size);
  }
  while (right && !s.empty()) {
    const size_t at = last_character_at(s);
    if (!is_space(decode_utf8(s.data() + at).value)) break;
    s = s.substr(0, at);
  }
  return s;
}

std::string_view strip(std::string_view s, bool left, bool right, std::string_view characters) {
  const auto known = characters_of(characters);
  const auto drop = [&known](std::string_view c) {
    return std::find(known.begin(), known.end(), c) != known.end();
  };
  while (left && !s.empty()) {
    const std::string_view first = s.substr(0, decode_utf8(s.data()).size);
    if (!drop(first)) break;
    s.remove_prefix(first.size());
  }
  while (right && !s.empty()) {
    const size_t at = last_character_at(s);
    if (!drop(s.substr(at))) break;
    s = s.substr(0, at);
  }
  return s;
}

std::vector<std::string_view> characters_of(std::string_view s) {
  std::vector<std::string_view> characters;
  for (size_t i = 0; i < s.size();) {
    const size_t size = decode_utf8(s.data() + i).size;
    characters.push_back(s.substr(i, size));
    i += size;
  }
  return characters;
}

std::vector<std::string_view> split_words(std::string_view s, int64_t limit) {
  std::vector<std::string_view> words;
  while (!(s = strip(s, true, false)).empty()) {
    if (limit >= 0 && static_cast<int64_t>(words.size()) == limit) {
      words.push_back(strip(s, false, true));
      break;
    }
    size_t end = 0;
    while (end < s.size()) {
      const CodePoint c = decode_utf8(s.data() + end);
      if (is_space(c.value)) break;
      end += c.size;
    }
    words.push_back(s.substr(0, end));
    s.remove_prefix(end);
  }
  return words;
}

std::vector<std::string_view> split_at(std::string_view s, std::string_view separator,
                                       int64_t limit) {
  std::vector<std::string_view> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = s.find(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(s.substr(0, at));
    s.remove_prefix(at + separator.size());
  }
  parts.push_back(s);
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view s) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t i = 0; i < s.size();) {
    const CodePoint c = decode_utf8(s.data() + i);
    const bool line_end = (c.value >= 0x0A && c.value <= 0x0D) ||
                          (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                          c.value == 0x2028 || c.value == 0x2029;
    const size_t here = i;
    i += c.size;
    if (!line_end) continue;
    lines.push_back(s.substr(begin, here - begin));
    if (c.value == '\r' && i < s.size() && s[i] == '\n') ++i;
    begin = i;
  }
  if (begin < s.size()) lines.push_back(s.substr(begin));
  return lines;
}

std::string replace_all(std::string_view s, std::string_view from, std::string_view to,
                        int64_t limit) {
  std::string out;
  if (from.empty()) {  // between all characters, as Python has it
    int64_t done = 0;
    for (const std::string_view c : characters_of(s)) {
      if (limit < 0 || done++ < limit) out += to;
      out += c;
    }
    if (limit < 0 || done < limit) out += to;
    return out;
  }
  const auto parts = split_at(s, from, limit);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += to;
    out += parts[i];
  }
  return out;
}

std::string upper(std::string_view s) {
  require_ascii(s);
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), to_upper);
  return out;
}

std::string lower(std::string_view s) {
  require_ascii(s);
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), to_lower);
  return out;
}

std::string capitalize(std::string_view s) {
  std::string out = lower(s);
  if (!out.empty()) out[0] = to_upper(out[0]);
  return out;
}

std::string title(std::string_view s) {
  std::string out = lower(s);
  bool start = true;
  for (char& c : out) {
    const bool letter = c >= 'a' && c <= 'z';
    if (letter && start) c = to_upper(c);
    start = !letter;
  }
  return out;
}

}  // namespace fathom::text::jinja
