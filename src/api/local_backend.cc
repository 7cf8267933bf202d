#include "api/local_backend.h"

#include "api/api_error.h"
#include "api/context_fit.h"
#include "api/local_answer.h"
#include "ledger/api_key.h"

namespace fathom::api {

LocalBackend::LocalBackend(Engine& engine, std::shared_ptr<const text::Tokenizer> tokenizer,
                           LocalBackendOptions options)
    : engine_(engine),
      tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      prompts_(tokenizer_),
      grammars_(*tokenizer_, options_.vocab_size, options_.stop_ids) {
  const int64_t context = options_.context_length;
  info_.name = options_.name;
  info_.context_length = context;
  info_.max_tokens = most_tokens(context);
  info_.default_tokens = default_tokens(context);
  info_.speculation = options_.speculation;
  info_.fingerprint = "fp_" + ledger::hash_api_key(options_.fingerprint).substr(0, 10);
}

LocalAnswerPlan LocalBackend::plan(Prompt prompt, const GenerationFields& fields,
                                   const RequestContext& context, const char* where) const {
  LocalAnswerPlan plan;
  plan.max_tokens =
      fit_context(options_.context_length, std::ssize(prompt.ids), fields.max_tokens, where);
  plan.text = {.tokenizer = tokenizer_,
               .stop = fields.stop,
               .parse_calls = false,
               .logprobs = fields.sampling.top_logprobs >= 0};
  plan.prompt = std::move(prompt);
  plan.choices = fields.n;
  plan.sampling = fields.sampling;
  plan.stop_ids = options_.stop_ids;
  plan.user = context.user;
  plan.speculate = fields.speculate;
  plan.time_limit = options_.time_limit;
  return plan;
}

std::unique_ptr<Answer> LocalBackend::chat(const ChatRequest& request,
                                           const RequestContext& context) {
  LocalAnswerPlan made = plan(prompts_.chat(request), request.generation, context, "messages");
  made.text.parse_calls = request.tool_choice != ToolChoice::kNone;
  made.grammar = grammars_.of(request);
  return std::make_unique<LocalAnswer>(engine_, prompts_, std::move(made));
}

std::unique_ptr<Answer> LocalBackend::complete(const CompletionRequest& request,
                                               const RequestContext& context) {
  Prompt prompt = prompts_.completion(request);
  if (prompt.ids.empty()) throw invalid_request("Empty prompt");
  return std::make_unique<LocalAnswer>(
      engine_, prompts_, plan(std::move(prompt), request.generation, context, "prompt"));
}

std::vector<int32_t> LocalBackend::tokenize(std::string_view text) {
  return tokenizer_->encode(text);
}

std::vector<int32_t> LocalBackend::tokenize_chat(const ChatRequest& request) {
  return prompts_.chat(request).ids;
}

bool LocalBackend::after_rounds(std::function<void()> then) {
  engine_.after_rounds(std::move(then));
  return true;
}

BackendStats LocalBackend::stats() const {
  const EngineStats stats = engine_.stats();
  return {stats.running, stats.waiting + stats.paused, stats.kv_cache_usage,
          options_.weights_moved ? options_.weights_moved() : 1};
}

}  // namespace fathom::api
