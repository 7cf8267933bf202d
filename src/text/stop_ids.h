// The ids that end an answer.
#pragma once

#include <cstdint>
#include <vector>

#include "text/tokenizer.h"

namespace fathom::text {

/// The end of sentence as the model's config names it (-1: it names none) and as the tokenizer does
/// (null: there is none), as far as the model's vocabulary of `vocab_size` ids has them. Where that
/// leaves nothing, an answer ends by its length alone.
std::vector<int32_t> stop_ids(int64_t config_eos, const Tokenizer* tokenizer, int64_t vocab_size);

}  // namespace fathom::text
