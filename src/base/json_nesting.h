// How deep and how wide a JSON text is, told before it is parsed.
//
// NOTES: the parser can be asked while it builds the values, but then it looks again at all that an
// object's parent holds, at each object's end: a few megabytes of them take hours.
#pragma once

#include <cstddef>
#include <string_view>

namespace fathom {

struct JsonNesting {
  size_t depth = 0;  ///< objects and arrays that lie within one another
  size_t keys = 0;   ///< of the object that has the most, each as often as it stands there
};

/// Of a text that is not JSON: what the first reading of its quotes and brackets gives.
JsonNesting json_nesting(std::string_view text);

}  // namespace fathom
