#include "text/stop_ids.h"

#include <algorithm>

namespace fathom::text {

std::vector<int32_t> stop_ids(int64_t config_eos, const Tokenizer* tokenizer, int64_t vocab_size) {
  std::vector<int32_t> ids;
  const auto add = [&](int64_t id) {
    const bool known = id >= 0 && id < vocab_size;
    if (known && std::ranges::find(ids, id) == ids.end()) ids.push_back(static_cast<int32_t>(id));
  };
  add(config_eos);
  if (tokenizer && tokenizer->eos_id()) add(*tokenizer->eos_id());
  return ids;
}

}  // namespace fathom::text
