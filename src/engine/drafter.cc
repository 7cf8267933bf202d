#include "engine/drafter.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ranges>

namespace fathom::engine {
namespace {

// While nothing is proposed, MTP's KV is brought up to date this many positions at a time: far
// cheaper than one by one.
constexpr int64_t kBacklog = 48;

bool is_stop(const Sequence& sequence, int32_t id) {
  return std::ranges::find(sequence.request.stop_ids, id) != sequence.request.stop_ids.end();
}

}  // namespace

Drafter::Drafter(LanguageModel& model, Sampler& sampler, SequenceMemory& memory)
    : model_(model),
      sampler_(sampler),
      memory_(memory),
      hidden_size_(model.config().hidden_size),
      mask_(static_cast<size_t>((model.config().vocab_size + 63) / 64)) {}

int64_t Drafter::drafts_for(const Sequence& sequence, int drafts) const {
  if (sequence.left() != 1) return 0;  // still within its prompt
  return std::clamp<int64_t>(drafts, 0, sequence.limit - sequence.size() - 1);
}

void Drafter::collect(std::span<Sequence* const> sequences, int drafts) {
  rows_.clear();
  for (Sequence* sequence : sequences) {
    if (!sequence->drafts_allowed || sequence->done()) continue;
    const int64_t behind = sequence->computed - sequence->drafted;
    const int64_t wanted = drafts_for(*sequence, drafts);
    const bool due = sequence->left() > 1 || wanted > 0 || behind >= kBacklog;
    if (behind == 0 || !due) continue;
    if (!memory_.reserve(*sequence, sequence->drafted, sequence->computed + wanted)) continue;
    Row row;
    row.sequence = sequence;
    row.wanted = wanted;
    const auto next = sequence->tokens.begin() + sequence->drafted + 1;
    row.next_tokens.assign(next, next + behind);
    for (const cache::PageRef& page : sequence->pages) row.pages.push_back(page.data());
    if (wanted > 0 && sequence->request.constraint != nullptr) {
      row.constraint = sequence->request.constraint->clone();
    }
    rows_.push_back(std::move(row));
  }
}

bool Drafter::run(std::span<Sequence* const> sequences, int drafts) {
  collect(sequences, drafts);
  if (rows_.empty()) return false;
  try {
    for (int64_t depth = 0; !rows_.empty(); ++depth) pass(depth);
  } catch (const std::exception& error) {
    // Drafts are only a help: these sequences go on without.
    spdlog::warn("speculation stops for {} requests: {}", rows_.size(), error.what());
    for (Row& row : rows_) row.sequence->stop_drafting();
  }
  return true;
}

// One pass of the MTP layer. The first takes the main model's outputs at all positions that it has
// not seen; each later one the layer's own output at the position after, and its own last proposal.
// What those later ones write to the pages is overwritten when the truth is known.
void Drafter::pass(int64_t depth) {
  std::vector<DraftSequence> batch;
  for (Row& row : rows_) {
    const auto count = std::ssize(row.next_tokens);
    const Sequence& sequence = *row.sequence;
    row.choice = sequence.draw_choice(sequence.usage.completion_tokens + depth);
    float* const hidden = depth == 0 ? row.sequence->hidden.data() : row.hidden.data();
    batch.push_back({row.next_tokens, Mat<const float>(hidden, count, hidden_size_),
                     row.sequence->drafted + (depth == 0 ? 0 : depth - 1), row.pages,
                     row.wanted > depth ? 1 : 0, row.choice ? &*row.choice : nullptr});
  }
  const StepOutput out = model_.draft(batch);

  int64_t logit_row = 0, hidden_row = 0;
  for (Row& row : rows_) {
    Sequence& sequence = *row.sequence;
    const auto count = std::ssize(row.next_tokens);
    hidden_row += count;
    if (depth == 0) {
      sequence.drafted += count;
      sequence.hidden.clear();
    }
    if (row.wanted <= depth) continue;
    const float* const logits = out.logits.row(logit_row++);
    if (!propose(row, {logits, static_cast<size_t>(out.logits.cols)})) {
      row.wanted = depth + 1;
      continue;
    }
    row.next_tokens = {sequence.drafts.back()};
    const float* const last = out.hidden.row(hidden_row - 1);
    row.hidden.assign(last, last + hidden_size_);
  }
  std::erase_if(rows_, [&](const Row& row) { return row.wanted <= depth + 1; });
}

// Draws as the model will, so that the two agree as often as they can. False when nothing should
// follow the proposal.
bool Drafter::propose(Row& row, std::span<const float> logits) {
  Sequence& sequence = *row.sequence;
  const auto ahead = std::ssize(sequence.drafts);
  DrawContext context = sequence.draw_context(sequence.usage.completion_tokens + ahead);
  context.want_logprobs = false;
  if (row.constraint != nullptr) {
    row.constraint->fill_mask(mask_);
    context.mask = mask_;
  }
  for (int32_t id : sequence.drafts) ++sequence.generated[id];
  int32_t id = -1;
  try {
    id = sampler_.sample(logits, context).id;
  } catch (const std::exception&) {
    // Nothing to propose from such logits.
  }
  for (int32_t draft : sequence.drafts) {
    if (--sequence.generated[draft] == 0) sequence.generated.erase(draft);
  }
  if (id < 0) return false;
  sequence.drafts.push_back(id);
  if (is_stop(sequence, id)) return false;
  if (row.constraint != nullptr) row.constraint->advance(id);
  return true;
}

}  // namespace fathom::engine
