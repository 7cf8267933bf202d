#include "text/tokenizer.h"

#include <utility>

#include "text/utf8.h"
#include "text/word_cache.h"

namespace fathom::text {

struct Tokenizer::Scratch {
  WordCache cache;
  Bpe::Scratch bpe;
  std::vector<AddedTokenMatcher::Piece> first, second;
};

// A Scratch for the time of one call.
class Tokenizer::Lease {
 public:
  explicit Lease(const Tokenizer& owner) : owner_(owner) {
    const std::lock_guard lock(owner_.scratch_mutex_);
    if (!owner_.idle_scratch_.empty()) {
      scratch_ = std::move(owner_.idle_scratch_.back());
      owner_.idle_scratch_.pop_back();
    }
  }
  ~Lease() {
    if (scratch_ == nullptr) return;
    if (scratch_->bpe.ids.capacity() > kMaxIdleWord) scratch_->bpe = {};
    const std::lock_guard lock(owner_.scratch_mutex_);
    if (owner_.idle_scratch_.size() < kMaxIdle) owner_.idle_scratch_.push_back(std::move(scratch_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Scratch& get() {
    if (scratch_ == nullptr) scratch_ = std::make_unique<Scratch>();
    return *scratch_;
  }

 private:
  static constexpr size_t kMaxIdle = 16;
  static constexpr size_t kMaxIdleWord = 1
                                         << 16;  // bytes of a word whose buffers are worth keeping
  const Tokenizer& owner_;
  std::unique_ptr<Scratch> scratch_;
};

Tokenizer::Tokenizer() { idle_scratch_.reserve(16); }
Tokenizer::~Tokenizer() = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  require_utf8(text, "text");
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  Lease lease(*this);
  Scratch& scratch = lease.get();
  scratch.first.clear();
  first_round_.split(text, 0, text.size(), scratch.first);
  for (const auto& outer : scratch.first) {
    if (outer.id >= 0) {
      ids.push_back(outer.id);
      continue;
    }
    scratch.second.clear();
    second_round_.split(text, outer.begin, outer.end, scratch.second);
    for (const auto& piece : scratch.second) {
      if (piece.id >= 0) {
        ids.push_back(piece.id);
      } else {
        encode_piece(text.substr(piece.begin, piece.end - piece.begin), scratch, ids);
      }
    }
  }
  return ids;
}

std::vector<int32_t> Tokenizer::encode_plain(std::string_view text) const {
  require_utf8(text, "text");
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  Lease lease(*this);
  encode_piece(text, lease.get(), ids);
  return ids;
}

void Tokenizer::encode_piece(std::string_view piece, Scratch& scratch,
                             std::vector<int32_t>& ids) const {
  pre_tokenizer_.split(piece, [&](std::string_view word) {
    if (ignore_merges_) {
      const auto whole = whole_words_.find(std::string(word));
      if (whole != whole_words_.end()) return ids.push_back(whole->second);
    }
    const bool cached = WordCache::fits(word);
    if (cached) {
      const auto known = scratch.cache.get(word);
      if (!known.empty()) {
        ids.insert(ids.end(), known.begin(), known.end());
        return;
      }
    }
    const size_t before = ids.size();
    bpe_.encode(word, scratch.bpe, ids);
    if (cached) scratch.cache.put(word, std::span(ids).subspan(before));
  });
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::string text;
  Utf8Stream stream;
  for (const int32_t id : ids) {
    const Token* token = find(id);
    if (token == nullptr || (skip_special_tokens && token->special)) continue;
    stream.push(token->bytes, text);
  }
  stream.finish(text);
  return text;
}

const Tokenizer::Token* Tokenizer::find(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= tokens_.size()) return nullptr;
  return &tokens_[static_cast<size_t>(id)];
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  const Token* token = find(id);
  return token == nullptr ? std::string_view() : token->bytes;
}

bool Tokenizer::is_special(int32_t id) const {
  const Token* token = find(id);
  return token != nullptr && token->special;
}

bool Tokenizer::is_added(int32_t id) const {
  const Token* token = find(id);
  return token != nullptr && token->added;
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

}  // namespace fathom::text
