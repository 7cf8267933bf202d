#include "engine/work.h"

namespace fathom::engine {

Batch::Batch(std::span<const Work> work) {
  tokens_.reserve(work.size());
  pages_.reserve(work.size());
  for (const Work& item : work) {
    const Sequence& sequence = *item.sequence;
    const auto first = sequence.tokens.begin() + sequence.computed;
    auto& mine = tokens_.emplace_back(first, first + item.tokens);
    int64_t logit_rows = 0;
    if (item.completes()) {
      mine.insert(mine.end(), sequence.drafts.begin(), sequence.drafts.end());
      logit_rows = 1 + std::ssize(sequence.drafts);
    }
    auto& pointers = pages_.emplace_back();
    for (const cache::PageRef& page : sequence.pages) pointers.push_back(page.data());
    const LogitChoice* choice = nullptr;
    if (const auto draws = sequence.draw_choice(sequence.usage.completion_tokens)) {
      choice = &choices_.emplace_back(*draws);
    }
    steps.push_back(
        {mine, sequence.computed, pointers, logit_rows, sequence.drafts_allowed, choice});
  }
}

}  // namespace fathom::engine
