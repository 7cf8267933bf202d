// Learns a byte-level BPE vocabulary and writes it as a Hugging Face tokenizer.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/pre_tokenizer.h"

namespace fathom::train {

/// Counts words, then merges the most frequent pair of neighbours again and again (Sennrich et al.
/// 2016). The vocabulary has DeepSeek-V3's special tokens and its way of cutting text into words,
/// but for digits, each of which stays alone: numbers then look the same wherever they stand.
class BpeTrainer {
 public:
  /// `vocab` entries in all. Throws Error(kUsage) where that leaves no room for the bytes and the
  /// special tokens.
  explicit BpeTrainer(int64_t vocab);

  /// Counts the words of `text`, which must be valid UTF-8.
  void add(std::string_view text);
  /// Merges until the vocabulary is full or no pair occurs twice. The result follows from the
  /// counts alone: among equals the pair of lower ids wins.
  void train();

  int64_t merges() const { return static_cast<int64_t>(merges_.size()); }
  /// The files' contents; `context` is the longest text in tokens.
  std::string tokenizer_json() const;
  std::string tokenizer_config_json(int64_t context) const;

 private:
  int64_t vocab_;
  text::PreTokenizer words_of_;
  std::map<std::string, int64_t, std::less<>> counts_;
  std::vector<std::string> pieces_;                  // the bytes, then what merges made
  std::vector<std::pair<int32_t, int32_t>> merges_;  // of indices into pieces_
};

}  // namespace fathom::train
