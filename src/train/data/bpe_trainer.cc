#include "train/data/bpe_trainer.h"

#include <algorithm>
#include <iterator>
#include <queue>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/byte_spelling.h"

namespace fathom::train {
namespace {

using Json = nlohmann::ordered_json;

struct Special {
  const char* text;
  bool skipped;  // by a decoder that leaves special tokens out
};

constexpr Special kFirst[] = {
    {"<｜begin▁of▁sentence｜>", true}, {"<｜end▁of▁sentence｜>", true}, {"<｜▁pad▁｜>", true}};
constexpr Special kLast[] = {{"<｜fim▁hole｜>", false},
                             {"<｜fim▁begin｜>", false},
                             {"<｜fim▁end｜>", false},
                             {"<｜User｜>", false},
                             {"<｜Assistant｜>", false},
                             {"<|EOT|>", true},
                             {"<｜tool▁calls▁begin｜>", false},
                             {"<｜tool▁calls▁end｜>", false},
                             {"<｜tool▁call▁begin｜>", false},
                             {"<｜tool▁call▁end｜>", false},
                             {"<｜tool▁outputs▁begin｜>", false},
                             {"<｜tool▁outputs▁end｜>", false},
                             {"<｜tool▁output▁begin｜>", false},
                             {"<｜tool▁output▁end｜>", false},
                             {"<｜tool▁sep｜>", false}};

// DeepSeek-V3's, with one digit where it has up to three.
constexpr const char* kWordPatterns[] = {
    R"(\p{N})", "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./"
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"};

/// System messages come first; a reply to tool outputs follows them without a turn of its own; the
/// calls of one message stand between one pair of tags.
constexpr const char* kChatTemplate =
    "{{ bos_token }}"
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}{% endif %}{% endfor %}"
    "{% set turns = messages | rejectattr('role', 'equalto', 'system') | list %}"
    "{% for m in turns %}"
    "{% set before = turns[loop.index0 - 1]['role'] if not loop.first else '' %}"
    "{% set after = turns[loop.index]['role'] if not loop.last else '' %}"
    "{% if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}"
    "{% elif m['role'] == 'assistant' %}"
    "{% if before != 'tool' %}{{ '<｜Assistant｜>' }}{% endif %}"
    "{% if m['content'] %}{{ m['content'] }}{% endif %}"
    "{% if m['tool_calls'] %}{{ '<｜tool▁calls▁begin｜>' }}"
    "{% for call in m['tool_calls'] %}{% if not loop.first %}{{ '\\n' }}{% endif %}"
    "{{ '<｜tool▁call▁begin｜>' + call['type'] + '<｜tool▁sep｜>' + call['function']['name'] "
    "+ '\\n```json\\n' + call['function']['arguments'] + '\\n```<｜tool▁call▁end｜>' }}"
    "{% endfor %}{{ '<｜tool▁calls▁end｜>' }}{% endif %}"
    "{{ eos_token }}"
    "{% elif m['role'] == 'tool' %}"
    "{% if before != 'tool' %}{{ '<｜tool▁outputs▁begin｜>' }}{% else %}{{ '\\n' }}{% endif %}"
    "{{ '<｜tool▁output▁begin｜>' + m['content'] + '<｜tool▁output▁end｜>' }}"
    "{% if after != 'tool' %}{{ '<｜tool▁outputs▁end｜>' }}{% endif %}"
    "{% else %}{{ raise_exception('role ' + m['role'] + ' is not known') }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt and turns and turns[-1]['role'] != 'tool' %}"
    "{{ '<｜Assistant｜>' }}{% endif %}";

/// A word in parts, and how often it occurs.
struct Word {
  std::vector<int32_t> ids;
  int64_t count;
};

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

/// How often each pair of neighbours occurs, and in which words.
class PairCounts {
 public:
  void add(uint64_t pair, int64_t count, uint32_t word) {
    Entry& entry = entries_[pair];
    if (entry.count == 0) grown_.push_back(pair);
    entry.count += count;
    if (entry.words.empty() || entry.words.back() != word) entry.words.push_back(word);
  }
  void remove(uint64_t pair, int64_t count) {
    const auto found = entries_.find(pair);
    if (found != entries_.end()) found->second.count -= count;  // else the pair being merged
  }
  /// After the adds of one round: makes the new pairs candidates.
  void settle() {
    for (const uint64_t pair : grown_) heap_.push({entries_[pair].count, ~pair});
    grown_.clear();
  }

  /// The most frequent pair; the lower ids among equals. False: none occurs twice.
  bool pop(uint64_t& pair, std::vector<uint32_t>& words) {
    while (!heap_.empty()) {
      const auto [count, inverse] = heap_.top();
      heap_.pop();
      Entry& entry = entries_[~inverse];
      if (entry.count < 2) continue;
      if (entry.count != count) {  // it has become rarer since
        heap_.push({entry.count, inverse});
        continue;
      }
      pair = ~inverse;
      words = std::move(entry.words);
      entries_.erase(pair);
      return true;
    }
    return false;
  }

 private:
  struct Entry {
    int64_t count = 0;
    std::vector<uint32_t> words;  // some may no longer hold the pair
  };
  std::unordered_map<uint64_t, Entry> entries_;
  std::vector<uint64_t> grown_;
  std::priority_queue<std::pair<int64_t, uint64_t>> heap_;  // count, ~pair
};

void merge_in_word(Word& word, uint32_t index, int32_t left, int32_t right, int32_t made,
                   PairCounts& pairs) {
  const std::vector<int32_t> before = std::move(word.ids);
  std::vector<int32_t>& ids = word.ids;
  ids.clear();
  for (size_t i = 0; i < before.size();) {
    const bool here = before[i] == left && i + 1 < before.size() && before[i + 1] == right;
    const int32_t next = here ? made : before[i];
    if (i > 0 && (here || ids.back() == made)) {
      pairs.remove(pair_key(before[i - 1], before[i]), word.count);
      pairs.add(pair_key(ids.back(), next), word.count, index);
    }
    ids.push_back(next);
    i += here ? 2 : 1;
  }
}

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

Json added_token(const Special& token, int64_t id) {
  return {{"id", id},        {"content", token.text}, {"single_word", false},    {"lstrip", false},
          {"rstrip", false}, {"normalized", false},   {"special", token.skipped}};
}

}  // namespace

BpeTrainer::BpeTrainer(int64_t vocab) : vocab_(vocab) {
  const int64_t least = 256 + std::ssize(kFirst) + std::ssize(kLast);
  if (vocab < least) {
    fail(ErrorKind::kUsage, "a vocabulary of {} entries: bytes and special tokens take {}", vocab,
         least);
  }
  for (const char* pattern : kWordPatterns) {
    text::PreTokenizer::Stage stage;
    stage.regex.emplace(pattern);
    words_of_.add(std::move(stage));
  }
  for (int byte = 0; byte < 256; ++byte) pieces_.emplace_back(1, static_cast<char>(byte));
}

void BpeTrainer::add(std::string_view text) {
  words_of_.split(text, [&](std::string_view word) {
    const auto found = counts_.find(word);
    if (found != counts_.end()) {
      ++found->second;
    } else {
      counts_.emplace(word, 1);
    }
  });
}

void BpeTrainer::train() {
  std::vector<Word> words;
  PairCounts pairs;
  for (const auto& [text, count] : counts_) {
    Word word{{}, count};
    for (const char c : text) word.ids.push_back(static_cast<uint8_t>(c));
    for (size_t i = 0; i + 1 < word.ids.size(); ++i) {
      pairs.add(pair_key(word.ids[i], word.ids[i + 1]), count, static_cast<uint32_t>(words.size()));
    }
    words.push_back(std::move(word));
  }
  pairs.settle();
  const size_t room = static_cast<size_t>(vocab_ - std::ssize(kFirst) - std::ssize(kLast));
  uint64_t pair = 0;
  std::vector<uint32_t> places;
  while (pieces_.size() < room && pairs.pop(pair, places)) {
    const int32_t left = static_cast<int32_t>(pair >> 32), right = static_cast<int32_t>(pair);
    const int32_t made = static_cast<int32_t>(pieces_.size());
    merges_.emplace_back(left, right);
    pieces_.push_back(pieces_[left] + pieces_[right]);
    for (const uint32_t place : places) {
      merge_in_word(words[place], place, left, right, made, pairs);
    }
    pairs.settle();
  }
}

std::string BpeTrainer::tokenizer_json() const {
  Json added = Json::array(), vocab = Json::object(), merges = Json::array();
  int64_t id = 0;
  for (const Special& token : kFirst) added.push_back(added_token(token, id++));
  for (const std::string& piece : pieces_) vocab[text::spell_bytes(piece)] = id++;
  id = vocab_ - std::ssize(kLast);
  for (const Special& token : kLast) added.push_back(added_token(token, id++));
  for (const auto& [left, right] : merges_) {
    merges.push_back(text::spell_bytes(pieces_[left]) + " " + text::spell_bytes(pieces_[right]));
  }
  Json stages = Json::array();
  for (const char* pattern : kWordPatterns) {
    stages.push_back({{"type", "Split"},
                      {"pattern", {{"Regex", pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}});
  }
  stages.push_back(byte_level(false));
  const Json file = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", stages}}},
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
                       {"merges", merges}}}};
  return file.dump(1) + "\n";
}

std::string BpeTrainer::tokenizer_config_json(int64_t context) const {
  const Json file = {
      {"add_bos_token", true},         {"add_eos_token", false},
      {"bos_token", kFirst[0].text},   {"eos_token", kFirst[1].text},
      {"pad_token", kFirst[2].text},   {"clean_up_tokenization_spaces", false},
      {"model_max_length", context},   {"tokenizer_class", "PreTrainedTokenizerFast"},
      {"chat_template", kChatTemplate}};
  return file.dump(2) + "\n";
}

}  // namespace fathom::train
