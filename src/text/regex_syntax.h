// The syntax tree of a splitting regex (the Oniguruma dialect that tokenizer.json files are written
// in). Internal to the regex engine.
#pragma once

#include <string_view>
#include <vector>

#include "text/char_set.h"

namespace fathom::text {

struct RegexNode {
  enum class Kind {
    kEmpty,
    kSet,        ///< one code point out of `set`
    kConcat,     ///< children in order
    kAlternate,  ///< the first child that leads to a match
    kRepeat,     ///< the child, min to max times (-1: no end)
    kLook,       ///< the next code point is in `set` and there is one; with `negate`, not so
  };
  Kind kind = Kind::kEmpty;
  CharSet set;
  std::vector<RegexNode> children;
  int min = 0;
  int max = 0;
  bool greedy = true;
  bool negate = false;
};

/// Throws Error(kUnsupported) for a construct that we don't know, by its name and offset, and
/// Error(kBadInput) for a malformed pattern.
RegexNode parse_regex(std::string_view pattern);

}  // namespace fathom::text
