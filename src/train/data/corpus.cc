#include "train/data/corpus.h"

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "io/file_system.h"
#include "text/tool_calls.h"
#include "text/utf8.h"

namespace fathom::train {
namespace {

using Json = nlohmann::ordered_json;

void check_message(const Json& message, const std::string& where) {
  if (!message.is_object()) fail(ErrorKind::kBadInput, "{}: a message is no object", where);
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string()) {
    fail(ErrorKind::kBadInput, "{}: a message's role is no string", where);
  }
  const auto content = message.find("content");
  if (content != message.end() && !content->is_null() && !content->is_string()) {
    fail(ErrorKind::kBadInput, "{}: a message's content is neither a string nor null", where);
  }
}

Document parse_line(const std::string& line, const std::string& where) {
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) fail(ErrorKind::kBadInput, "{}: not a JSON object", where);
  Document document;
  if (const auto text = object.find("text"); text != object.end()) {
    if (!text->is_string()) fail(ErrorKind::kBadInput, "{}: text is no string", where);
    document.text = text->get<std::string>();
  } else if (const auto messages = object.find("messages");
             messages != object.end() && messages->is_array()) {
    for (const Json& message : *messages) check_message(message, where);
    document.messages = *messages;
    if (const auto tools = object.find("tools"); tools != object.end()) document.tools = *tools;
  } else {
    fail(ErrorKind::kBadInput, "{}: expected {{\"text\"}} or {{\"messages\"}}", where);
  }
  return document;
}

int32_t required_id(const text::Tokenizer& tokenizer, const char* token) {
  const auto id = tokenizer.token_to_id(token);
  if (!id) fail(ErrorKind::kUnsupported, "the tokenizer has no token {}", token);
  return *id;
}

}  // namespace

void for_each_document(const std::string& path,
                       const std::function<void(const Document&)>& on_document) {
  if (!path.ends_with(".jsonl")) {
    Document document;
    document.text = io::read_file(path);
    text::require_utf8(document.text, path);
    return on_document(document);
  }
  std::ifstream file(path);
  if (!file) fail(ErrorKind::kNotFound, "{}: cannot open", path);
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    on_document(parse_line(line, fmt::format("{}, line {}", path, number)));
  }
}

std::vector<std::string> texts_of(const Document& document) {
  if (!document.text.empty()) return {document.text};
  std::vector<std::string> texts;
  for (const Json& message : with_tools_prompt(document.messages, document.tools)) {
    // A reply that only calls tools has null there.
    const auto content = message.find("content");
    if (content != message.end() && content->is_string()) texts.push_back(*content);
  }
  return texts;
}

Json with_tools_prompt(const Json& messages, const Json& tools) {
  if (tools.is_null() || tools.empty()) return messages;
  const std::string prompt = text::render_tools_prompt(tools);
  Json result = Json::array();
  const bool has_system = !messages.empty() && messages[0].value("role", "") == "system";
  std::string before;
  if (has_system) {
    const Json content = messages[0].value("content", Json());
    if (content.is_string()) before = content.get<std::string>() + "\n\n";
  }
  result.push_back({{"role", "system"}, {"content", before + prompt}});
  for (size_t i = has_system ? 1 : 0; i < messages.size(); ++i) result.push_back(messages[i]);
  return result;
}

DocumentEncoder::DocumentEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, double fim_rate,
                                 uint64_t seed)
    : tokenizer_(std::move(tokenizer)), fim_rate_(fim_rate), rng_(seed) {
  if (!tokenizer_->bos_id() || !tokenizer_->eos_id()) {
    fail(ErrorKind::kUnsupported, "the tokenizer names no begin- and end-of-sentence tokens");
  }
  begin_ = *tokenizer_->bos_id();
  end_ = *tokenizer_->eos_id();
  pad_ = required_id(*tokenizer_, "<｜▁pad▁｜>");
  if (!tokenizer_->chat_template().empty()) {
    template_ = std::make_unique<const text::ChatTemplate>(*tokenizer_);
  }
}

void DocumentEncoder::append(Encoded& out, std::string_view text, bool learn) const {
  const std::vector<int32_t> ids = tokenizer_->encode(text);
  out.ids.insert(out.ids.end(), ids.begin(), ids.end());
  out.mask.resize(out.ids.size(), learn);
}

/// The template is asked for the text before and after each reply: what lies between is learnt.
void DocumentEncoder::encode_conversation(const Document& document, Encoded& out) const {
  if (!template_) fail(ErrorKind::kUnsupported, "the tokenizer has no chat template");
  const Json messages = with_tools_prompt(document.messages, document.tools);
  Json so_far = Json::array();
  size_t done = 0;
  for (const Json& message : messages) {
    if (message.value("role", "") == "assistant") {
      const std::string before = template_->render(so_far, nullptr, true);
      so_far.push_back(message);
      const std::string after = template_->render(so_far, nullptr, false);
      if (!after.starts_with(before) || before.size() < done) {
        fail(ErrorKind::kUnsupported,
             "the chat template renders a reply differently from what it is a reply to");
      }
      append(out, std::string_view(before).substr(done), false);
      append(out, std::string_view(after).substr(before.size()), true);
      done = after.size();
    } else {
      so_far.push_back(message);
    }
  }
}

void DocumentEncoder::encode_text(const std::string& text, Encoded& out) {
  out = {{begin_}, {0}};
  if (fim_rate_ > 0 && rng_.uniform() < fim_rate_) {
    // Cuts fall between characters.
    const auto cut = [&] {
      size_t at = rng_.below(text.size() + 1);
      while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) ++at;
      return at;
    };
    size_t first = cut(), second = cut();
    if (first > second) std::swap(first, second);
    append(out, "<｜fim▁begin｜>", false);
    append(out, text.substr(0, first), true);
    append(out, "<｜fim▁hole｜>", false);
    append(out, text.substr(second), true);
    append(out, "<｜fim▁end｜>", false);
    append(out, text.substr(first, second - first), true);
  } else {
    append(out, text, true);
  }
  out.ids.push_back(end_);
  out.mask.push_back(1);
}

Encoded DocumentEncoder::encode(const Document& document) {
  Encoded out;
  if (document.messages.is_null()) {
    encode_text(document.text, out);
  } else {
    encode_conversation(document, out);
  }
  return out;
}

namespace {

/// Fills windows side by side, each document into the first that has room for it.
class Packer {
 public:
  Packer(int64_t sequence, int32_t pad_id, TokenBinWriter& writer)
      : sequence_(static_cast<size_t>(sequence)), pad_(pad_id), writer_(writer) {}

  void add(const Encoded& document) {
    for (size_t at = 0; at < document.ids.size(); at += sequence_) {
      const size_t n = std::min(sequence_, document.ids.size() - at);
      Encoded& window = window_with(n);
      window.ids.insert(window.ids.end(), document.ids.begin() + at, document.ids.begin() + at + n);
      window.mask.insert(window.mask.end(), document.mask.begin() + at,
                         document.mask.begin() + at + n);
    }
  }
  void finish() {
    for (Encoded& window : open_) flush(window);
    open_.clear();
  }

 private:
  static constexpr size_t kOpen = 32;

  Encoded& window_with(size_t room) {
    for (Encoded& window : open_) {
      if (window.ids.size() + room <= sequence_) return window;
    }
    if (open_.size() == kOpen) {
      const auto fullest = std::max_element(
          open_.begin(), open_.end(),
          [](const Encoded& a, const Encoded& b) { return a.ids.size() < b.ids.size(); });
      flush(*fullest);
      open_.erase(fullest);
    }
    return open_.emplace_back();
  }
  void flush(Encoded& window) {
    window.ids.resize(sequence_, pad_);
    window.mask.resize(sequence_, 0);
    writer_.append(window.ids, window.mask);
  }

  size_t sequence_;
  int32_t pad_;
  TokenBinWriter& writer_;
  std::vector<Encoded> open_;
};

}  // namespace

void pack_documents(std::vector<Encoded> documents, int64_t sequence, int32_t pad_id, uint64_t seed,
                    TokenBinWriter& writer) {
  Rng rng(seed);
  for (size_t i = documents.size(); i > 1; --i) {
    std::swap(documents[i - 1], documents[rng.below(i)]);
  }
  if (sequence == 0) {
    for (const Encoded& d : documents) writer.append(d.ids, d.mask);
    return;
  }
  writer.packed_by(static_cast<uint32_t>(sequence));
  Packer packer(sequence, pad_id, writer);
  for (const Encoded& d : documents) packer.add(d);
  packer.finish();
}

}  // namespace fathom::train
