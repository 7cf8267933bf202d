#include "engine/step_runner.h"

#include <algorithm>

#include "base/error.h"

namespace fathom::engine {
namespace {

/// Ends the sequence for the exception that is being handled.
void fail_sequence(Sequence& sequence) {
  try {
    throw;
  } catch (const Error& error) {
    const bool resource = error.kind() == ErrorKind::kResource;
    sequence.finish(resource ? FinishReason::kResource : FinishReason::kError, error.what());
  } catch (const std::bad_alloc&) {
    sequence.finish(FinishReason::kResource, "out of memory");
  } catch (const std::exception& error) {
    sequence.finish(FinishReason::kError, error.what());
  } catch (...) {
    sequence.finish(FinishReason::kError, "unknown error");
  }
}

/// The tokens and pages of a batch, in the form that the model takes.
struct Batch {
  explicit Batch(std::span<const Work> work) {
    tokens.reserve(work.size());
    pages.reserve(work.size());
    for (const Work& item : work) {
      const Sequence& sequence = *item.sequence;
      const auto first = sequence.tokens.begin() + sequence.computed;
      auto& mine = tokens.emplace_back(first, first + item.tokens);
      int64_t logit_rows = 0;
      if (item.completes()) {
        mine.insert(mine.end(), sequence.drafts.begin(), sequence.drafts.end());
        logit_rows = 1 + std::ssize(sequence.drafts);
      }
      auto& pointers = pages.emplace_back();
      for (const cache::PageRef& page : sequence.pages) pointers.push_back(page.data());
      steps.push_back({mine, sequence.computed, pointers, logit_rows});
    }
  }

  std::vector<std::vector<int32_t>> tokens;
  std::vector<std::vector<std::byte*>> pages;
  std::vector<StepSequence> steps;
};

}  // namespace

StepRunner::StepRunner(LanguageModel& model, SequenceMemory& memory, DraftPolicy& policy,
                       const Clock& clock)
    : model_(model),
      memory_(memory),
      policy_(policy),
      clock_(clock),
      sampler_(model.config().vocab_size),
      drafter_(model, sampler_, memory),
      mask_(static_cast<size_t>((model.config().vocab_size + 63) / 64)) {}

StepReport StepRunner::run(const Plan& plan) {
  report_ = {};
  const Time start = clock_.now();
  DraftPolicy::Step step;
  for (const Work& work : plan.work) {
    if (work.sequence->left() != 1) continue;
    const auto drafts = static_cast<int>(std::ssize(work.sequence->drafts));
    step.drafts = std::max(step.drafts, drafts);
    ++step.sequences;
    step.drafting += work.sequence->drafts_allowed;
  }
  forward(plan.work);
  step.new_tokens = report_.new_tokens;
  if (report_.new_tokens > 0) end_round();
  step.verify_seconds = seconds_between(start, clock_.now());
  draft(plan, step);
  for (const Work& work : plan.work) {
    Sequence& sequence = *work.sequence;
    memory_.publish(sequence, sequence.drafts_allowed ? sequence.drafted : sequence.computed);
  }
  report_.seconds = seconds_between(start, clock_.now());
  return report_;
}

// All in one pass; where that throws, each alone, to find out whose fault it is. Positions are
// written again with the same content.
void StepRunner::forward(std::span<const Work> work) {
  const Batch batch(work);
  StepOutput out;
  try {
    out = model_.forward(batch.steps);
  } catch (...) {
    if (work.size() == 1) {
      fail_sequence(*work[0].sequence);
    } else {
      for (size_t i = 0; i < work.size(); ++i) forward(work.subspan(i, 1));
    }
    return;
  }
  int64_t logit_row = 0, hidden_row = 0;
  for (size_t i = 0; i < work.size(); ++i) {
    const StepSequence& step = batch.steps[i];
    const auto rows = std::ssize(step.tokens);
    take(work[i], out.logits.rows_from(logit_row, step.logit_rows),
         out.hidden.rows_from(hidden_row, rows));
    logit_row += step.logit_rows;
    hidden_row += rows;
  }
}

// Draws the tokens that follow: one, and one more for each draft that the draw before it confirms.
// A draft is kept if and only if it is what would have been drawn without it, so the result is the
// same as without speculation.
void StepRunner::take(const Work& work, Mat<const float> logits, Mat<const float> hidden) {
  Sequence& sequence = *work.sequence;
  int64_t known = work.tokens;  // rows whose tokens are certain
  if (work.completes()) {
    const std::vector<int32_t> drafts = std::move(sequence.drafts);
    sequence.drafts.clear();
    for (int64_t row = 0;; ++row) {
      if (!draw(sequence, {logits.row(row), static_cast<size_t>(logits.cols)})) break;
      if (row == std::ssize(drafts)) break;
      const bool kept = sequence.tokens.back() == drafts[row];
      policy_.observe_draft(static_cast<int>(row), kept);
      ++sequence.usage.draft_tokens;
      ++report_.proposed;
      if (!kept) break;
      ++known;
      ++sequence.usage.accepted_tokens;
      ++report_.kept;
    }
  }
  sequence.computed += known;
  const int64_t in_prompt = std::min(sequence.computed, sequence.prompt_size());
  sequence.counted = std::max(sequence.counted, in_prompt);
  if (sequence.drafts_allowed) {
    for (int64_t row = 0; row < known; ++row) {
      const float* const from = hidden.row(row);
      sequence.hidden.insert(sequence.hidden.end(), from, from + hidden.cols);
    }
  }
}

// Appends the next token. False when the sequence is over.
bool StepRunner::draw(Sequence& sequence, std::span<const float> logits) {
  try {
    DrawContext context = draw_context(sequence, sequence.usage.completion_tokens);
    Constraint* const constraint = sequence.request.constraint.get();
    if (constraint != nullptr) {
      constraint->fill_mask(mask_);
      context.mask = mask_;
    }
    return accept(sequence, sampler_.sample(logits, context));
  } catch (...) {
    fail_sequence(sequence);
    return false;
  }
}

bool StepRunner::accept(Sequence& sequence, const GeneratedToken& token) {
  const Request& request = sequence.request;
  if (sequence.usage.completion_tokens++ == 0) {
    sequence.first_token = clock_.now();
    sequence.sink->on_prompt(sequence.usage.cache_hit_tokens);
  }
  ++report_.new_tokens;
  sequence.tokens.push_back(token.id);
  if (request.sampling.frequency_penalty != 0 || request.sampling.presence_penalty != 0) {
    ++sequence.generated[token.id];
  }
  if (std::ranges::find(request.stop_ids, token.id) != request.stop_ids.end()) {
    sequence.finish(FinishReason::kStop);
  } else {
    if (request.constraint != nullptr) request.constraint->advance(token.id);
    if (!sequence.sink->on_token(token)) {
      sequence.finish(FinishReason::kStop);
    } else if (sequence.size() >= sequence.limit) {
      sequence.finish(FinishReason::kLength);
    }
  }
  return !sequence.done();
}

void StepRunner::draft(const Plan& plan, DraftPolicy::Step step) {
  std::vector<Sequence*> sequences;
  int64_t decoding = 0;
  bool any = false;
  for (const Work& work : plan.work) {
    Sequence& sequence = *work.sequence;
    if (sequence.done()) continue;
    sequences.push_back(&sequence);
    if (sequence.left() == 1) {
      ++decoding;
      any |= sequence.drafts_allowed;
    }
  }
  const Time start = clock_.now();
  const int drafts = any ? policy_.choose(decoding) : 0;
  if (any && !policy_.worth_tracking(decoding)) {
    for (Sequence* sequence : sequences) sequence->stop_drafting();
  }
  drafter_.run(sequences, drafts);
  step.draft_seconds = seconds_between(start, clock_.now());
  for (const Sequence* sequence : sequences) {
    step.proposed = std::max(step.proposed, static_cast<int>(std::ssize(sequence->drafts)));
  }
  if (plan.prefill_tokens == 0) policy_.observe(step);
}

}  // namespace fathom::engine
