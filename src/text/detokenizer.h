// Ids to text, one at a time, for streaming.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "text/tokenizer.h"
#include "text/utf8.h"

namespace fathom::text {

/// The pieces that push() returned, joined, and then finish() are what Tokenizer::decode gives for
/// all the ids. A character that is not complete yet is held back; bytes that can no longer become
/// one are U+FFFD at once. A token that is skipped does not break up a character under way. One
/// sequence each.
class Detokenizer {
 public:
  explicit Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special_tokens = false)
      : tokenizer_(std::move(tokenizer)), skip_special_tokens_(skip_special_tokens) {}

  /// What `id` adds to the text; may be empty.
  std::string push(int32_t id) {
    std::string piece;
    if (!skip_special_tokens_ || !tokenizer_->is_special(id)) {
      stream_.push(tokenizer_->token_bytes(id), piece);
    }
    return piece;
  }

  /// U+FFFD for a character left incomplete, else empty. Starts anew.
  std::string finish() {
    std::string tail;
    stream_.finish(tail);
    return tail;
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_tokens_;
  Utf8Stream stream_;
};

}  // namespace fathom::text
