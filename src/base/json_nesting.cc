#include "base/json_nesting.h"

#include <algorithm>
#include <vector>

namespace fathom {

JsonNesting json_nesting(std::string_view text) {
  JsonNesting most;
  std::vector<size_t> open;  // keys of each, in an array none
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':  // to the string's end
        for (++i; i < text.size() && text[i] != '"'; ++i) {
          if (text[i] == '\\') ++i;
        }
        break;
      case '{':
      case '[':
        open.push_back(0);
        most.depth = std::max(most.depth, open.size());
        break;
      case '}':
      case ']':
        if (!open.empty()) open.pop_back();
        break;
      case ':':
        if (!open.empty()) most.keys = std::max(most.keys, ++open.back());
        break;
      default:
        break;
    }
  }
  return most;
}

}  // namespace fathom
