#include "eval/tasks/code_blocks.h"

#include <algorithm>

#include "eval/python_text.h"
#include "text/utf8.h"

namespace fathom::eval {

std::optional<std::string> code_block(const std::string& answer,
                                      std::initializer_list<std::string_view> languages) {
  std::optional<std::string> last;
  std::string block;
  bool inside = false, wanted = false;
  for (const std::string& line : python::split(answer, "\n")) {
    const std::string_view text = python::strip(line);
    if (!text.starts_with("```")) {
      if (inside) block += line + "\n";
      continue;
    }
    if (inside) {
      if (wanted) last = block;
    } else {
      const std::string mark = python::lower(python::strip(text.substr(3)));
      wanted = std::find(languages.begin(), languages.end(), mark) != languages.end();
      block.clear();
    }
    inside = !inside;
  }
  if (inside && wanted) last = block;
  return last;
}

std::string text_of(const std::string& bytes) {
  std::string out;
  text::Utf8Stream stream;
  stream.push(bytes, out);
  stream.finish(out);
  return out;
}

}  // namespace fathom::eval
