// Grammars asked about whole texts, for tests.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"

namespace fathom::engine {

/// Token i spells byte i, as in the golden models, but for 0 and 1: begin and end. `more` follow
/// from 256 on; empty ones are special tokens.
inline std::shared_ptr<const Vocabulary> byte_vocabulary(std::vector<std::string> more = {}) {
  std::vector<std::string> tokens(256);
  for (int b = 2; b < 256; ++b) tokens[b] = std::string(1, static_cast<char>(b));
  tokens.insert(tokens.end(), more.begin(), more.end());
  return std::make_shared<Vocabulary>(tokens, std::vector<int32_t>{1});
}

/// A constraint with its mask at hand.
class Walker {
 public:
  Walker(const Grammar& grammar, const Vocabulary& vocabulary)
      : constraint_(grammar.new_constraint()), mask_((vocabulary.size() + 63) / 64) {
    constraint_->fill_mask(mask_);
  }
  Walker(const Walker& other) : constraint_(other.constraint_->clone()), mask_(other.mask_) {}

  bool allows(int32_t id) const { return (mask_[id / 64] >> (id % 64) & 1) != 0; }
  const std::vector<uint64_t>& mask() const { return mask_; }
  bool take(int32_t id) {
    if (!allows(id)) return false;
    constraint_->advance(id);
    constraint_->fill_mask(mask_);
    return true;
  }
  /// Byte tokens.
  bool take(std::string_view text) {
    for (char c : text) {
      if (!take(static_cast<int32_t>(static_cast<uint8_t>(c)))) return false;
    }
    return true;
  }
  bool may_end() const { return allows(1); }

 private:
  std::unique_ptr<Constraint> constraint_;
  std::vector<uint64_t> mask_;
};

inline bool accepts(const Grammar& grammar, const Vocabulary& vocabulary, std::string_view text) {
  Walker walker(grammar, vocabulary);
  return walker.take(text) && walker.may_end();
}

}  // namespace fathom::engine
