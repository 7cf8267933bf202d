// Text to token ids and back, from a Hugging Face tokenizer.json: byte-level BPE.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/pre_tokenizer.h"

namespace fathom::text {

/// Gives the ids of the `tokenizers` library for the files that it knows: model BPE over bytes; no
/// normalizer; pre-tokenizers Split, Digits and ByteLevel, alone or in a Sequence that ends in
/// ByteLevel; decoder ByteLevel. Anything else in the file is refused by name. `truncation`,
/// `padding` and `post_processor` are not applied: an encoding is the text's own, whole, with no
/// special tokens added.
///
/// All const members are safe to call from any number of threads at once.
class Tokenizer {
 public:
  /// From DIR/tokenizer.json, and DIR/tokenizer_config.json where there is one. Throws
  /// Error(kNotFound | kBadInput | kUnsupported) naming the file and the field.
  static std::shared_ptr<const Tokenizer> load(const std::string& dir);

  /// The same from the files' contents; `where` goes before error messages. `config_json` may be
  /// empty.
  static std::shared_ptr<const Tokenizer> from_json(std::string_view tokenizer_json,
                                                    std::string_view config_json = {},
                                                    const std::string& where = "");

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// The ids of `text`; added tokens spelled out in it are recognised. Throws Error(kBadInput)
  /// unless it is valid UTF-8. Time n log n in the length of its longest word, linear in all else.
  std::vector<int32_t> encode(std::string_view text) const;

  /// The ids of `text` as plain text: what spells an added token is encoded like any other word, so
  /// that a user cannot forge a turn of the conversation.
  std::vector<int32_t> encode_plain(std::string_view text) const;

  /// The bytes of `ids`, then one U+FFFD for each maximal ill-formed part. Ids without a token
  /// contribute nothing; `skip_special_tokens` drops added tokens that are marked special.
  std::string decode(std::span<const int32_t> ids, bool skip_special_tokens = false) const;

  /// One more than the highest id that has a token. A model's vocabulary may be larger.
  int32_t vocab_size() const { return static_cast<int32_t>(tokens_.size()); }

  /// The raw bytes that the id stands for, not always UTF-8; empty for an id without a token.
  std::string_view token_bytes(int32_t id) const;
  /// The id is an added token marked special.
  bool is_special(int32_t id) const;
  /// The id is an added token, special or not: text alone spells it only when it is written out
  /// whole.
  bool is_added(int32_t id) const;

  /// The id of an added token by its content, or of a vocabulary entry as the file spells it (bytes
  /// mapped to characters, "Ġthe").
  std::optional<int32_t> token_to_id(std::string_view content) const;

  /// From tokenizer_config.json; nothing or empty where it names none.
  std::optional<int32_t> bos_id() const { return bos_id_; }
  std::optional<int32_t> eos_id() const { return eos_id_; }
  const std::string& bos_token() const { return bos_token_; }
  const std::string& eos_token() const { return eos_token_; }
  /// The default chat template's source, or empty.
  const std::string& chat_template() const { return chat_template_; }

 private:
  friend class TokenizerLoader;
  struct Scratch;
  class Lease;

  struct Token {
    std::string bytes;
    bool added = false;
    bool special = false;
  };

  Tokenizer();
  const Token* find(int32_t id) const;
  void encode_piece(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

  std::vector<Token> tokens_;
  std::unordered_map<std::string, int32_t> ids_;
  Bpe bpe_;
  bool ignore_merges_ = false;                            // a word that is a token is taken whole
  std::unordered_map<std::string, int32_t> whole_words_;  // by bytes; only with ignore_merges_
  PreTokenizer pre_tokenizer_;
  AddedTokenMatcher first_round_;   // added tokens that are not normalized
  AddedTokenMatcher second_round_;  // and those that are
  std::optional<int32_t> bos_id_, eos_id_;
  std::string bos_token_, eos_token_, chat_template_;

  // Buffers and word caches, one set a thread at work; kept for the next call.
  mutable std::mutex scratch_mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_scratch_;
};

}  // namespace fathom::text
