#include "checkpoint/synth_tokenizer.h"

#include <set>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kBegin = "<｜begin▁of▁sentence｜>";
constexpr const char* kEnd = "<｜end▁of▁sentence｜>";
constexpr const char* kUser = "<｜User｜>";
constexpr const char* kAssistant = "<｜Assistant｜>";

/// In the order in which they get ids; the first two make a chat possible.
constexpr const char* kOthers[] = {kUser,
                                   kAssistant,
                                   "<｜▁pad▁｜>",
                                   "<｜fim▁hole｜>",
                                   "<｜fim▁begin｜>",
                                   "<｜fim▁end｜>",
                                   "<|EOT|>",
                                   "<｜tool▁calls▁begin｜>",
                                   "<｜tool▁calls▁end｜>",
                                   "<｜tool▁call▁begin｜>",
                                   "<｜tool▁call▁end｜>",
                                   "<｜tool▁outputs▁begin｜>",
                                   "<｜tool▁outputs▁end｜>",
                                   "<｜tool▁output▁begin｜>",
                                   "<｜tool▁output▁end｜>",
                                   "<｜tool▁sep｜>"};

constexpr const char* kChatTemplate =
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}"
    "{% else %}{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}";

std::string utf8(uint32_t point) {
  if (point < 0x80) return {static_cast<char>(point)};
  return {static_cast<char>(0xC0 | point >> 6), static_cast<char>(0x80 | (point & 0x3F))};
}

/// Byte-level vocabularies spell each byte as a printable character: Latin-1's printable ones as
/// themselves, the others in order from U+0100 on.
std::string spelling(int byte) {
  const auto printable = [](int b) {
    return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
  };
  if (printable(byte)) return utf8(static_cast<uint32_t>(byte));
  uint32_t point = 0x100;
  for (int b = 0; b < byte; ++b) point += !printable(b);
  return utf8(point);
}

struct SpecialToken {
  std::string text;
  int64_t id = 0;
  bool special = false;  // whether decoding may skip it
};

Json added_token(const SpecialToken& token) {
  return {{"id", token.id},  {"content", token.text}, {"single_word", false},    {"lstrip", false},
          {"rstrip", false}, {"normalized", false},   {"special", token.special}};
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json tokenizer_json(const std::vector<SpecialToken>& tokens, const Json& vocab) {
  Json added = Json::array();
  for (const SpecialToken& token : tokens) added.push_back(added_token(token));
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", nullptr},
          {"pre_tokenizer", byte_level(false)},
          {"post_processor", nullptr},
          {"decoder", byte_level(true)},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab", vocab},
            {"merges", Json::array()}}}};
}

}  // namespace

TokenizerFiles make_byte_tokenizer(const ModelConfig& config) {
  const int64_t begin = config.bos_token_id, end = config.eos_token_id;
  const bool marks_fit = begin >= 0 && end >= 0 && begin != end && begin < config.vocab_size &&
                         end < config.vocab_size;
  if (!marks_fit || config.vocab_size < 256 + 2) return {};

  const std::set<int64_t> taken = {begin, end};
  int64_t next = -1;
  const auto next_id = [&] {
    do ++next;
    while (taken.contains(next));
    return next;
  };

  std::vector<SpecialToken> tokens = {{kBegin, begin, true}, {kEnd, end, true}};
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[spelling(byte)] = next_id();
  for (const char* text : kOthers) {
    const int64_t id = next_id();
    if (id >= config.vocab_size) break;
    tokens.push_back({text, id, std::string_view(text) == "<｜▁pad▁｜>"});
  }

  const Json settings = {{"add_bos_token", true},
                         {"add_eos_token", false},
                         {"bos_token", kBegin},
                         {"eos_token", kEnd},
                         {"model_max_length", config.max_position_embeddings},
                         {"tokenizer_class", "PreTrainedTokenizerFast"},
                         {"chat_template", kChatTemplate}};
  return {tokenizer_json(tokens, vocab).dump(1) + "\n", settings.dump(2) + "\n"};
}

}  // namespace fathom
