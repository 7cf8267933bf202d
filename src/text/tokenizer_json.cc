// tokenizer.json and tokenizer_config.json -> Tokenizer.
#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_nesting.h"
#include "io/file_system.h"
#include "text/byte_spelling.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace fathom::text {
namespace {

using Json = nlohmann::json;

constexpr int32_t kMaxId = 1 << 24;
constexpr size_t kMaxFileDepth = 32;  // of sequences in sequences, mostly

// The pattern that ByteLevel brings along (GPT-2's).
constexpr std::string_view kByteLevelPattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

std::array<int, 0x180> byte_by_spelling() {
  std::array<int, 0x180> bytes;
  bytes.fill(-1);
  for (int b = 0; b < 256; ++b) bytes[spelling_of(b)] = b;
  return bytes;
}

// The bytes that a token's spelling stands for. One that uses any other character stands for its
// own UTF-8, as the library's decoder has it.
std::string bytes_of(std::string_view spelling) {
  static const auto bytes = byte_by_spelling();
  std::string out;
  for (size_t i = 0; i < spelling.size();) {
    const CodePoint c = decode_utf8(spelling.data() + i);
    if (c.value >= bytes.size() || bytes[c.value] < 0) return std::string(spelling);
    out += static_cast<char>(bytes[c.value]);
    i += c.size;
  }
  return out;
}

std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

class TokenizerLoader {
 public:
  explicit TokenizerLoader(std::string where) : where_(std::move(where)) {}

  std::shared_ptr<const Tokenizer> load(std::string_view tokenizer_json,
                                        std::string_view config_json) {
    file_ = where_ + "tokenizer.json";
    read(parse(tokenizer_json));
    if (!config_json.empty()) {
      file_ = where_ + "tokenizer_config.json";
      read_config(parse(config_json));
    }
    return std::shared_ptr<const Tokenizer>(std::move(out_));
  }

 private:
  using Behavior = PreTokenizer::Behavior;

  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::kBadInput, "{}: {}", file_, fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void unsupported(std::string_view field, const Json& value) const {
    fail(ErrorKind::kUnsupported, "{}: {} is {}, which is not supported", file_, field,
         shown(value));
  }

  Json parse(std::string_view text) const {
    if (json_nesting(text).depth > kMaxFileDepth)
      bad("nested deeper than {} levels", kMaxFileDepth);
    try {
      return Json::parse(text);
    } catch (const Json::exception& error) {
      bad("not valid JSON: {}", error.what());
    }
  }

  // --- Access to fields, with their names in the message.

  const Json& field(const Json& object, const char* name, std::string_view owner) const {
    const auto found = object.find(name);
    if (found == object.end()) bad("{}.{} is missing", owner, name);
    return *found;
  }
  std::string string_of(const Json& value, std::string_view name) const {
    if (!value.is_string()) bad("{} is {}, expected a string", name, shown(value));
    return value.get<std::string>();
  }
  bool flag(const Json& object, const char* name, bool otherwise, std::string_view owner) const {
    const auto found = object.find(name);
    if (found == object.end()) return otherwise;
    if (!found->is_boolean())
      bad("{}.{} is {}, expected true or false", owner, name, shown(*found));
    return found->get<bool>();
  }
  int32_t id_of(const Json& value, std::string_view name) const {
    if (!value.is_number_integer() || value < 0 || value >= kMaxId) {
      bad("{} has the id {}, expected 0 to {}", name, shown(value), kMaxId - 1);
    }
    return value.get<int32_t>();
  }
  std::string type_of(const Json& value, std::string_view name) const {
    if (!value.is_object()) bad("{} is {}, expected an object", name, shown(value));
    return string_of(field(value, "type", name), std::string(name) + ".type");
  }
  void refuse_other_keys(const Json& object, std::string_view name,
                         std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        unsupported(fmt::format("{}.{}", name, key), value);
      }
    }
  }
  // An optional field that only has an effect when it is set.
  void refuse_if_set(const Json& object, const char* name, std::string_view owner) const {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null() || *found == false || *found == "" ||
        (found->is_number() && *found == 0)) {
      return;
    }
    unsupported(fmt::format("{}.{}", owner, name), *found);
  }

  // --- tokenizer.json

  void read(const Json& root) {
    if (!root.is_object()) bad("the file holds {}, expected an object", shown(root));
    refuse_other_keys(root, "the file",
                      {"version", "truncation", "padding", "added_tokens", "normalizer",
                       "pre_tokenizer", "post_processor", "decoder", "model"});
    if (root.contains("normalizer")) read_normalizer(root["normalizer"]);
    read_model(field(root, "model", "the file"));
    if (root.contains("added_tokens")) read_added_tokens(root["added_tokens"]);
    read_pre_tokenizer(field(root, "pre_tokenizer", "the file"), "pre_tokenizer");
    if (!byte_level_) bad("pre_tokenizer has no ByteLevel stage, which a byte-level model needs");
    read_decoder(field(root, "decoder", "the file"), "decoder");
  }

  void read_normalizer(const Json& normalizer) const {
    if (normalizer.is_null()) return;
    const std::string type = type_of(normalizer, "normalizer");
    if (type != "Sequence") unsupported("normalizer.type", type);
    const Json& parts = field(normalizer, "normalizers", "normalizer");
    if (!parts.is_array()) bad("normalizer.normalizers is {}, expected a list", shown(parts));
    for (const Json& part : parts) read_normalizer(part);
  }

  void read_model(const Json& model) {
    if (const std::string type = type_of(model, "model"); type != "BPE") {
      unsupported("model.type", type);
    }
    refuse_other_keys(
        model, "model",
        {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
         "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"});
    for (const char* name :
         {"dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"}) {
      refuse_if_set(model, name, "model");
    }
    read_vocab(field(model, "vocab", "model"));
    read_merges(field(model, "merges", "model"));
    out_->ignore_merges_ = flag(model, "ignore_merges", false, "model");
    if (!out_->ignore_merges_) return;
    for (size_t id = 0; id < out_->tokens_.size(); ++id) {
      out_->whole_words_.emplace(out_->tokens_[id].bytes, static_cast<int32_t>(id));
    }
  }

  void read_vocab(const Json& vocab) {
    if (!vocab.is_object()) bad("model.vocab is {}, expected an object", shown(vocab));
    out_->ids_.reserve(vocab.size() * 2);
    for (const auto& [spelling, value] : vocab.items()) {
      const int32_t id = id_of(value, "model.vocab token " + shown(spelling));
      if (spelling.empty()) bad("model.vocab has an empty token");
      Tokenizer::Token& token = token_at(id);
      if (!token.bytes.empty()) bad("model.vocab gives the id {} twice", id);
      token.bytes = bytes_of(spelling);
      out_->ids_.emplace(spelling, id);
    }
  }

  Tokenizer::Token& token_at(int32_t id) {
    const auto index = static_cast<size_t>(id);
    if (index >= out_->tokens_.size()) out_->tokens_.resize(index + 1);
    return out_->tokens_[index];
  }

  void read_merges(const Json& merges) {
    if (!merges.is_array()) bad("model.merges is {}, expected a list", shown(merges));
    std::array<int32_t, 256> byte_ids;
    for (int b = 0; b < 256; ++b) {
      std::string spelling;
      append_utf8(spelling, spelling_of(b));
      const auto found = out_->ids_.find(spelling);
      if (found == out_->ids_.end()) {
        bad("model.vocab has no token '{}' for the byte 0x{:02X}: not a byte-level vocabulary",
            spelling, b);
      }
      byte_ids[static_cast<size_t>(b)] = found->second;
    }
    std::vector<Bpe::Merge> list;
    list.reserve(merges.size());
    std::string joined;
    for (size_t i = 0; i < merges.size(); ++i) {
      const auto [left, right] = merge_parts(merges[i], i);
      joined.assign(left).append(right);
      list.push_back({known_token(left, i), known_token(right, i), known_token(joined, i)});
    }
    out_->bpe_ = Bpe(byte_ids, list);
  }

  // "left right", or ["left", "right"].
  std::pair<std::string, std::string> merge_parts(const Json& merge, size_t i) const {
    if (merge.is_string()) {
      const auto& text = merge.get_ref<const std::string&>();
      const size_t space = text.find(' ');
      if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
        return {text.substr(0, space), text.substr(space + 1)};
      }
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    bad("model.merges[{}] is {}, expected two tokens", i, shown(merge));
  }

  int32_t known_token(const std::string& spelling, size_t merge) const {
    const auto found = out_->ids_.find(spelling);
    if (found == out_->ids_.end()) {
      bad("model.merges[{}] uses {}, which is not in model.vocab", merge, shown(spelling));
    }
    return found->second;
  }

  void read_added_tokens(const Json& list) {
    if (!list.is_array()) bad("added_tokens is {}, expected a list", shown(list));
    std::vector<AddedToken> first, second;
    for (size_t i = 0; i < list.size(); ++i) {
      AddedToken token = added_token(list[i], fmt::format("added_tokens[{}]", i));
      (token.normalized ? second : first).push_back(std::move(token));
    }
    out_->first_round_ = AddedTokenMatcher(std::move(first));
    out_->second_round_ = AddedTokenMatcher(std::move(second));
  }

  AddedToken added_token(const Json& entry, const std::string& name) {
    if (!entry.is_object()) bad("{} is {}, expected an object", name, shown(entry));
    refuse_other_keys(
        entry, name, {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    AddedToken token;
    token.id = id_of(field(entry, "id", name), name);
    token.content = string_of(field(entry, "content", name), name + ".content");
    if (token.content.empty()) bad("{}.content is empty", name);
    token.special = flag(entry, "special", false, name);
    token.single_word = flag(entry, "single_word", false, name);
    token.lstrip = flag(entry, "lstrip", false, name);
    token.rstrip = flag(entry, "rstrip", false, name);
    token.normalized = flag(entry, "normalized", !token.special, name);
    const auto [known, added] = out_->ids_.emplace(token.content, token.id);
    if (!added && known->second != token.id) {
      bad("{} gives {} the id {}, elsewhere it is {}", name, shown(token.content), token.id,
          known->second);
    }
    Tokenizer::Token& place = token_at(token.id);
    if (added && !place.bytes.empty()) bad("{} takes the id {} of another token", name, token.id);
    if (place.added) bad("{} repeats the id {}", name, token.id);
    place = {.bytes = bytes_of(token.content), .added = true, .special = token.special};
    return token;
  }

  void read_pre_tokenizer(const Json& stage, const std::string& name) {
    const std::string type = type_of(stage, name);
    if (byte_level_) bad("{} ({}) comes after ByteLevel, expected ByteLevel last", name, type);
    if (type == "Sequence") {
      refuse_other_keys(stage, name, {"type", "pretokenizers"});
      const Json& parts = field(stage, "pretokenizers", name);
      if (!parts.is_array()) bad("{}.pretokenizers is {}, expected a list", name, shown(parts));
      for (size_t i = 0; i < parts.size(); ++i) {
        read_pre_tokenizer(parts[i], fmt::format("{}.pretokenizers[{}]", name, i));
      }
    } else if (type == "Split") {
      read_split(stage, name);
    } else if (type == "Digits") {
      refuse_other_keys(stage, name, {"type", "individual_digits"});
      const bool individual = flag(stage, "individual_digits", false, name);
      add_stage(R"(\p{N})", individual ? Behavior::kIsolated : Behavior::kContiguous, false);
    } else if (type == "ByteLevel") {
      refuse_other_keys(stage, name, {"type", "add_prefix_space", "trim_offsets", "use_regex"});
      PreTokenizer::Stage last;
      last.add_prefix_space = flag(stage, "add_prefix_space", true, name);
      if (flag(stage, "use_regex", true, name)) last.regex.emplace(kByteLevelPattern);
      out_->pre_tokenizer_.add(std::move(last));
      byte_level_ = true;
    } else {
      unsupported(name + ".type", type);
    }
  }

  void read_split(const Json& stage, const std::string& name) {
    refuse_other_keys(stage, name, {"type", "pattern", "behavior", "invert"});
    const std::string behavior = string_of(field(stage, "behavior", name), name + ".behavior");
    static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
        {"Isolated", Behavior::kIsolated},
        {"Removed", Behavior::kRemoved},
        {"MergedWithPrevious", Behavior::kMergedWithPrevious},
        {"MergedWithNext", Behavior::kMergedWithNext},
        {"Contiguous", Behavior::kContiguous}};
    const auto* known = std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                                     [&](const auto& entry) { return entry.first == behavior; });
    if (known == std::end(kBehaviors)) unsupported(name + ".behavior", behavior);
    const bool invert = flag(stage, "invert", false, name);
    add_stage(split_pattern(field(stage, "pattern", name), name + ".pattern"), known->second,
              invert);
  }

  // {"Regex": ...}, or {"String": ...} as a regex.
  std::string split_pattern(const Json& pattern, const std::string& name) const {
    if (!pattern.is_object() || pattern.size() != 1) {
      bad("{} is {}, expected {{\"Regex\": ...}} or {{\"String\": ...}}", name, shown(pattern));
    }
    const std::string kind = pattern.begin().key();
    const std::string text = string_of(pattern.begin().value(), name + "." + kind);
    if (kind == "Regex") return text;
    if (kind != "String") unsupported(name, kind);
    std::string escaped;
    for (const char c : text) {
      if (std::string_view(R"(\^$.|?*+()[]{}-&)").find(c) != std::string_view::npos)
        escaped += '\\';
      escaped += c;
    }
    return escaped;
  }

  void add_stage(const std::string& pattern, Behavior behavior, bool invert) {
    PreTokenizer::Stage stage;
    try {
      stage.regex.emplace(pattern);
    } catch (const Error& error) {
      fail(error.kind(), "{}: pre_tokenizer: {}", file_, error.what());
    }
    stage.behavior = behavior;
    stage.invert = invert;
    if (++stages_ > 32) bad("pre_tokenizer has more than 32 stages");
    out_->pre_tokenizer_.add(std::move(stage));
  }

  void read_decoder(const Json& decoder, const std::string& name) const {
    const std::string type = type_of(decoder, name);
    if (type == "ByteLevel") return;
    if (type != "Sequence") unsupported(name + ".type", type);
    const Json& parts = field(decoder, "decoders", name);
    if (!parts.is_array() || parts.size() != 1) unsupported(name + ".decoders", parts);
    read_decoder(parts[0], name + ".decoders[0]");
  }

  // --- tokenizer_config.json

  void read_config(const Json& config) {
    if (!config.is_object()) bad("the file holds {}, expected an object", shown(config));
    out_->bos_token_ = named_token(config, "bos_token");
    out_->eos_token_ = named_token(config, "eos_token");
    out_->bos_id_ = id_of_named(out_->bos_token_, "bos_token");
    out_->eos_id_ = id_of_named(out_->eos_token_, "eos_token");
    read_chat_template(config);
  }

  std::string named_token(const Json& config, const char* name) const {
    const auto found = config.find(name);
    if (found == config.end() || found->is_null()) return {};
    return string_of(found->is_object() ? field(*found, "content", name) : *found, name);
  }

  std::optional<int32_t> id_of_named(const std::string& token, std::string_view name) const {
    if (token.empty()) return std::nullopt;
    const auto id = out_->token_to_id(token);
    if (!id) bad("{} is {}, which is not in tokenizer.json", name, shown(token));
    return id;
  }

  // A string, or a list of {name, template} of which "default" counts.
  void read_chat_template(const Json& config) {
    const auto found = config.find("chat_template");
    if (found == config.end() || found->is_null()) return;
    if (found->is_string()) {
      out_->chat_template_ = found->get<std::string>();
      return;
    }
    if (!found->is_array()) bad("chat_template is {}, expected a string", shown(*found));
    for (const Json& entry : *found) {
      if (!entry.is_object()) bad("chat_template holds {}, expected objects", shown(entry));
      if (string_of(field(entry, "name", "chat_template"), "chat_template.name") != "default")
        continue;
      out_->chat_template_ =
          string_of(field(entry, "template", "chat_template"), "chat_template.template");
    }
  }

  std::string where_;
  std::string file_;
  bool byte_level_ = false;
  int stages_ = 0;
  std::unique_ptr<Tokenizer> out_{new Tokenizer()};
};

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view tokenizer_json,
                                                      std::string_view config_json,
                                                      const std::string& where) {
  return TokenizerLoader(where).load(tokenizer_json, config_json);
}

std::shared_ptr<const Tokenizer> Tokenizer::load(const std::string& dir) {
  const auto read = [&dir](std::string_view name) { return io::read_file(io::join(dir, name)); };
  const bool has_config = io::file_exists(io::join(dir, "tokenizer_config.json"));
  return from_json(read("tokenizer.json"), has_config ? read("tokenizer_config.json") : "",
                   io::join(dir, ""));
}

}  // namespace fathom::text
