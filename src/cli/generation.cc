#include "cli/generation.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <random>

#include "base/error.h"
#include "engine/sampler.h"
#include "text/detokenizer.h"

namespace fathom::cli {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A long prompt goes through in parts, so that Ctrl-C is heard and scratch memory stays small.
constexpr size_t kPromptChunk = 512;

uint64_t fresh_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

std::atomic<bool> interrupt_flag{false};

}  // namespace

double Generation::tokens_per_second() const {
  return decode_seconds > 0 ? static_cast<double>(ids.size() - 1) / decode_seconds : 0;
}

Generation generate(LocalSession& session, const GenerationRequest& request,
                    const std::function<void(std::string_view)>& on_text,
                    const std::atomic<bool>& interrupted) {
  if (request.prompt.empty()) fail(ErrorKind::kBadInput, "the prompt has no tokens");
  Transformer& model = *session.model;
  const int64_t context = model.config().max_position_embeddings;
  engine::Sampler sampler(model.config().vocab_size);
  engine::TokenCounts counts;
  engine::DrawContext draw;
  draw.params = &request.sampling;
  draw.seed = request.sampling.seed ? *request.sampling.seed : fresh_seed();
  draw.generated = &counts;
  draw.want_logprobs = false;

  std::optional<text::Detokenizer> detokenizer;
  if (session.tokenizer) detokenizer.emplace(session.tokenizer, true);
  Generation result;
  const auto emit = [&](const std::string& piece) {
    result.text += piece;
    if (!piece.empty()) on_text(piece);
  };

  SequencePages pages(model);
  std::vector<int32_t> tokens = request.prompt;
  result.prompt_tokens = static_cast<int64_t>(tokens.size());
  result.reason = FinishReason::kLength;
  auto since = Clock::now();
  for (size_t done = 0; static_cast<int64_t>(result.ids.size()) < request.max_tokens &&
                        static_cast<int64_t>(tokens.size()) <= context;) {
    if (interrupted) {
      result.reason = FinishReason::kCancelled;
      break;
    }
    const size_t count = std::min(kPromptChunk, tokens.size() - done);
    const bool last = done + count == tokens.size();
    const StepSequence step{std::span(tokens).subspan(done, count), static_cast<int64_t>(done),
                            pages.reserve(static_cast<int64_t>(done + count)), last ? 1 : 0};
    const StepOutput out = model.forward({&step, 1});
    done += count;
    if (!last) continue;

    draw.index = static_cast<int64_t>(result.ids.size());
    const int32_t id = sampler.sample(out.logits.row_span(0), draw).id;
    if (result.prefill_seconds == 0) {
      result.prefill_seconds = seconds_since(since);
      since = Clock::now();
    }
    if (std::find(request.stop_ids.begin(), request.stop_ids.end(), id) != request.stop_ids.end()) {
      result.reason = FinishReason::kStop;
      break;
    }
    result.ids.push_back(id);
    tokens.push_back(id);
    ++counts[id];
    if (detokenizer) emit(detokenizer->push(id));
  }
  if (!result.ids.empty()) result.decode_seconds = seconds_since(since);
  if (detokenizer) emit(detokenizer->finish());
  return result;
}

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kResource:
      return "insufficient_system_resource";
    case FinishReason::kError:
      return "error";
  }
  return "?";
}

InterruptScope::InterruptScope() {
  interrupt_flag = false;
  previous_ = std::signal(SIGINT, [](int) { interrupt_flag = true; });
}
InterruptScope::~InterruptScope() { std::signal(SIGINT, previous_); }
const std::atomic<bool>& InterruptScope::flag() const { return interrupt_flag; }

}  // namespace fathom::cli
