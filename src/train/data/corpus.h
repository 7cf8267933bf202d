// Documents from files, to token ids with a mask, to packed token bins.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "train/token_bin.h"

namespace fathom::train {

/// Plain text, or a conversation where messages is not null.
struct Document {
  std::string text;
  nlohmann::ordered_json messages;
  nlohmann::ordered_json tools;  // functions that the system message tells of; may be null
};

/// A .jsonl file has a document a line, {"text"} or {"messages", "tools"?}; any other file is one
/// text. Throws Error(kNotFound | kBadInput) naming file and line.
void for_each_document(const std::string& path,
                       const std::function<void(const Document&)>& on_document);

/// The messages with the functions' description added to the system message, as a server adds it.
nlohmann::ordered_json with_tools_prompt(const nlohmann::ordered_json& messages,
                                         const nlohmann::ordered_json& tools);

/// What a tokenizer is to learn from: the text, or every message that has one.
std::vector<std::string> texts_of(const Document& document);

struct Encoded {
  std::vector<int32_t> ids;
  std::vector<uint8_t> mask;  // 1: the model is to learn to predict this id
};

/// Documents to ids: a text gets the begin and end tokens round it, a conversation its chat
/// template. A loss is taken on texts and on what the assistant says.
class DocumentEncoder {
 public:
  /// Of texts, `fim_rate` are turned round to prefix, suffix, middle. Throws Error(kUnsupported)
  /// for a tokenizer without the tokens that are needed.
  DocumentEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, double fim_rate, uint64_t seed);

  Encoded encode(const Document& document);
  int32_t end_id() const { return end_; }
  int32_t pad_id() const { return pad_; }

 private:
  void append(Encoded& out, std::string_view text, bool learn) const;
  void encode_conversation(const Document& document, Encoded& out) const;
  void encode_text(const std::string& text, Encoded& out);

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  std::unique_ptr<const text::ChatTemplate> template_;
  double fim_rate_;
  Rng rng_;
  int32_t begin_, end_, pad_;
};

/// Shuffles the documents by `seed` and writes them to the writer (which has a mask) so that none
/// crosses a multiple of `sequence` tokens: what is left of a window is padding, a document longer
/// than a window is cut. `sequence` 0: one after the other, unpadded.
void pack_documents(std::vector<Encoded> documents, int64_t sequence, int32_t pad_id, uint64_t seed,
                    TokenBinWriter& writer);

}  // namespace fathom::train
