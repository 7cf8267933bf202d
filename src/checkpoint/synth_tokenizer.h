// A byte-level tokenizer for models that come without one.
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/config.h"

namespace fathom {

struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
};

/// 256 byte tokens, the begin and end of sentence at the config's ids, and as many of DeepSeek's
/// other special tokens as the vocabulary has room for, with a chat template in its form. Empty
/// strings where the vocabulary has no room for the bytes and both sentence marks.
TokenizerFiles make_byte_tokenizer(const ModelConfig& config);

}  // namespace fathom
