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

}  // namespace

StepRunner::StepRunner(LanguageModel& model, SequenceMemory& memory, StepBudget& budget,
                       PrefillPass& prefill, DraftPolicy& policy, const Clock& clock)
    : model_(model),
      memory_(memory),
      budget_(budget),
      prefill_(prefill),
      policy_(policy),
      clock_(clock),
      sampler_(model.config().vocab_size),
      drafter_(model, sampler_, memory),
      mask_(static_cast<size_t>((model.config().vocab_size + 63) / 64)) {}

StepReport StepRunner::run(const Plan& plan) {
  report_ = {};
  const Time start = clock_.now();
  const bool prompts = prefill_.under_way() || !plan.prompts.empty();
  if (!plan.streams.empty()) run_streams(plan.streams, prompts);
  if (!plan.prompts.empty()) begin_prompts(plan.prompts);
  if (prefill_.under_way()) advance_prompts(std::ssize(plan.streams), start);
  report_.computed = prompts || !plan.streams.empty();
  return report_;
}

void StepRunner::run_streams(std::span<const Work> streams, bool beside_prompts) {
  const Time start = clock_.now();
  DraftPolicy::Step step;
  step.sequences = std::ssize(streams);
  for (const Work& work : streams) {
    const auto drafts = static_cast<int>(std::ssize(work.sequence->drafts));
    step.drafts = std::max(step.drafts, drafts);
    step.drafting += work.sequence->drafts_allowed;
  }
  forward(streams);
  step.new_tokens = report_.new_tokens;
  if (report_.new_tokens > 0) end_round();
  step.verify_seconds = seconds_between(start, clock_.now());
  draft(streams, step);
  publish(streams);
  budget_.observe_step(std::ssize(streams), beside_prompts, seconds_between(start, clock_.now()));
}

void StepRunner::begin_prompts(const std::vector<Work>& prompts) {
  try {
    prefill_.begin(prompts);
  } catch (...) {
    run_each(prompts);
  }
}

void StepRunner::advance_prompts(int64_t streams, Time step_start) {
  std::optional<StepOutput> output;
  const int64_t before = report_.new_tokens;
  const double spent = seconds_between(step_start, clock_.now());
  try {
    output = prefill_.advance(budget_.step_seconds(streams) - spent);
  } catch (...) {
    const std::vector<Work> work = prefill_.wanted();
    prefill_.drop();
    run_each(work);
  }
  if (!output) return;
  budget_.observe_pass(streams, prefill_.tokens(), prefill_.layer_seconds(), prefill_.seconds());
  const std::vector<Work> work = prefill_.wanted();
  take(prefill_.work(), prefill_.steps(), *output);
  prefill_.drop();
  if (report_.new_tokens > before) end_round();
  const bool track = policy_.worth_tracking(streams);
  std::vector<Sequence*> sequences;
  for (const Work& item : work) {
    if (!track) item.sequence->stop_drafting();
    if (!item.sequence->done()) sequences.push_back(item.sequence);
  }
  drafter_.run(sequences, 0);  // their first drafts come with the next step
  publish(work);
}

// Prompts whose pass threw, each in one of its own.
void StepRunner::run_each(std::span<const Work> prompts) {
  const int64_t before = report_.new_tokens;
  forward_each(prompts);
  if (report_.new_tokens > before) end_round();
  publish(prompts);
}

void StepRunner::publish(std::span<const Work> work) {
  for (const Work& item : work) {
    Sequence& sequence = *item.sequence;
    memory_.publish(sequence, sequence.drafts_allowed ? sequence.drafted : sequence.computed);
  }
}

// All in one pass; where that throws, each alone, to find out whose fault it is. Positions are
// written again with the same content.
void StepRunner::forward(std::span<const Work> work) {
  const Batch batch(work);
  StepOutput output;
  try {
    output = model_.forward(batch.steps);
  } catch (...) {
    if (work.size() == 1) {
      fail_sequence(*work[0].sequence);
    } else {
      forward_each(work);
    }
    return;
  }
  take(work, batch.steps, output);
}

void StepRunner::forward_each(std::span<const Work> work) {
  for (size_t i = 0; i < work.size(); ++i) forward(work.subspan(i, 1));
}

// A pass's results to its sequences, those that still want them.
void StepRunner::take(std::span<const Work> work, std::span<const StepSequence> steps,
                      const StepOutput& output) {
  int64_t logit_row = 0, hidden_row = 0;
  for (size_t i = 0; i < work.size(); ++i) {
    const StepSequence& step = steps[i];
    const auto rows = std::ssize(step.tokens);
    if (work[i].sequence != nullptr && !work[i].sequence->done()) {
      take(work[i], output.logits.rows_from(logit_row, step.logit_rows),
           output.hidden.rows_from(hidden_row, rows));
    }
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
    DrawContext context = sequence.draw_context(sequence.usage.completion_tokens);
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

void StepRunner::draft(std::span<const Work> streams, DraftPolicy::Step step) {
  std::vector<Sequence*> sequences;
  bool any = false;
  for (const Work& work : streams) {
    if (work.sequence->done()) continue;
    sequences.push_back(work.sequence);
    any |= work.sequence->drafts_allowed;
  }
  const auto decoding = std::ssize(sequences);
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
  policy_.observe(step);
}

}  // namespace fathom::engine
