#include "api/upstream/upstream_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "api/api_error.h"
#include "api/context_fit.h"
#include "api/upstream/lenient_json.h"
#include "api/upstream/prompt_size.h"
#include "api/upstream/upstream_answer.h"
#include "api/upstream/upstream_error.h"
#include "api/upstream/upstream_request.h"
#include "base/error.h"
#include "base/worker_thread.h"
#include "ledger/api_key.h"

namespace fathom::api {
namespace {

using namespace std::chrono_literals;

/// Without a path it is /v1, where all of these servers have their API.
HttpAddress api_address(const std::string& text) {
  HttpAddress address = parse_http_address("--upstream", text);
  if (address.path.empty()) address.path = "/v1";
  return address;
}

std::optional<asio::ssl::context> make_tls(const HttpAddress& url, const std::string& authorities) {
  if (!url.tls) return std::nullopt;
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
  error_code error;
  if (authorities.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.load_verify_file(authorities, error);
  }
  if (error) fail(ErrorKind::kBadInput, "--upstream-ca {}: {}", authorities, error.message());
  return context;
}

/// One of the server's list of models.
struct ListedModel {
  std::string id;
  std::string owner;
  std::optional<int64_t> context_length;
};

std::vector<ListedModel> read_models(const std::string& body, const std::string& where) {
  std::vector<ListedModel> models;
  try {
    const Json json = parse_json(body);
    if (const Json* data = member(&json, "data"); data && data->is_array()) {
      for (const Json& entry : *data) {
        models.push_back({text_member(&entry, "id"), text_member(&entry, "owned_by"),
                          count_member(&entry, "max_model_len")});
      }
    }
  } catch (const Error& problem) {
    fail(ErrorKind::kIo, "{}: {}", where, problem.what());
  }
  return models;
}

/// The model of that name, or the only one.
ListedModel choose(const std::vector<ListedModel>& models, const std::string& name,
                   const std::string& where) {
  std::string names;
  for (const ListedModel& model : models) {
    if (model.id == name || (name.empty() && models.size() == 1)) return model;
    names += names.empty() ? model.id : ", " + model.id;
  }
  if (name.empty()) {
    fail(ErrorKind::kUsage, "--upstream-model: {} has these: {}", where,
         names.empty() ? "none" : names);
  }
  // Not every server lists all that it takes: an adapter's name, an alias.
  return {name, models.empty() ? "" : models[0].owner, std::nullopt};
}

}  // namespace

struct UpstreamBackend::State {
  State(UpstreamOptions given, std::shared_ptr<const text::Tokenizer> tokenizer)
      : options(std::move(given)),
        url(api_address(options.url)),
        tls(make_tls(url, options.authorities)),
        size(std::move(tokenizer)),
        sweeper(io) {
    line.executor = io.get_executor();
    line.target = {.url = url,
                   .tls = tls ? &*tls : nullptr,
                   .key = options.key,
                   .connect_time = options.connect_time,
                   .silence_time = options.silence_time};
  }
  ~State() { stop(); }

  void run();
  void stop();
  void find_model();
  void describe(const ListedModel& model);
  asio::awaitable<std::string> fetch_models(const std::string& path);
  asio::awaitable<void> sweep();
  int64_t max_tokens(PromptSize::Size prompt, const GenerationFields& fields,
                     const char* where) const;
  UpstreamPlan plan(UpstreamBody request, PromptSize::Size prompt, const GenerationFields& fields,
                    const RequestContext& context);

  const UpstreamOptions options;
  const HttpAddress url;
  std::optional<asio::ssl::context> tls;
  PromptSize size;
  asio::io_context io{1};
  asio::steady_timer sweeper;
  UpstreamLine line;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> guard;
  std::thread thread;
  bool stopping = false;
  ModelInfo info;
  std::optional<UpstreamRequests> requests;
};

void UpstreamBackend::State::run() {
  guard.emplace(io.get_executor());
  asio::co_spawn(io, sweep(), asio::detached);
  thread = worker_thread([this] { io.run(); });
}

void UpstreamBackend::State::stop() {
  if (!thread.joinable()) return;
  asio::post(io, [this] {
    stopping = true;
    sweeper.cancel();
  });
  guard.reset();
  thread.join();
}

// Once a second: calls past their deadlines.
asio::awaitable<void> UpstreamBackend::State::sweep() {
  while (!stopping) {
    const auto now = HttpCall::Clock::now();
    for (HttpCall* call : line.calls) call->check_deadline(now);
    sweeper.expires_after(1s);
    error_code ignored;
    co_await sweeper.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

asio::awaitable<std::string> UpstreamBackend::State::fetch_models(const std::string& path) {
  const CallRequest request{.method = "GET", .path = path, .body = "", .id = ""};
  HttpCall call(io.get_executor(), line.target);
  call.end_at(HttpCall::Clock::now() + 2 * options.connect_time);
  line.calls.insert(&call);
  std::string body, part;
  std::exception_ptr failure;
  try {
    co_await call.start(request);
    bool more = true;
    while (more) {
      more = co_await call.read(part);
      body += part;
    }
  } catch (...) {
    failure = std::current_exception();
  }
  line.calls.erase(&call);
  if (failure) std::rethrow_exception(failure);
  if (call.status() != 200) {
    fail(ErrorKind::kIo, "upstream {}: {}", url.text(),
         response_problem(call.status(), body).logged);
  }
  co_return body;
}

void UpstreamBackend::State::find_model() {
  if (!options.kind.empty() && !options.model.empty()) {
    describe({options.model, "", std::nullopt});
    return;
  }
  const std::string path = url.path + "/models";
  const std::string where = "upstream " + url.text() + "/models";
  const std::string body = asio::co_spawn(io, fetch_models(path), asio::use_future).get();
  const std::vector<ListedModel> models = read_models(body, where);
  describe(choose(models, options.model, where));
}

void UpstreamBackend::State::describe(const ListedModel& model) {
  const Dialect& dialect =
      options.kind.empty() ? dialect_of_owner(model.owner) : dialect_named(options.kind);
  requests.emplace(dialect, url, model.id);
  const int64_t context =
      std::min(options.context_length, model.context_length.value_or(options.context_length));
  info.name = fmt::format("{} ({})", model.id, dialect.name);
  info.context_length = context;
  info.max_tokens = most_tokens(context);
  info.default_tokens = default_tokens(context);
  info.fingerprint = "fp_" + ledger::hash_api_key(url.text() + model.id).substr(0, 10);
}

int64_t UpstreamBackend::State::max_tokens(PromptSize::Size prompt, const GenerationFields& fields,
                                           const char* where) const {
  if (size.counts())
    return fit_context(info.context_length, prompt.likely, fields.max_tokens, where);
  // Without a tokenizer the upstream has to say whether it fits.
  return fit_context(info.context_length, 0, fields.max_tokens.value_or(info.default_tokens),
                     where);
}

UpstreamPlan UpstreamBackend::State::plan(UpstreamBody request, PromptSize::Size prompt,
                                          const GenerationFields& fields,
                                          const RequestContext& context) {
  UpstreamPlan plan;
  plan.call.path = std::move(request.path);
  plan.call.body = std::move(request.body);
  plan.call.id = context.id;
  plan.reader.choices = fields.n;
  plan.reader.prompt_estimate = prompt.likely;
  plan.reader.estimate = [this](const std::string& text) { return size.of_text(text); };
  plan.most_prompt_tokens = prompt.most;
  plan.time_limit = options.time_limit;
  return plan;
}

UpstreamBackend::UpstreamBackend(UpstreamOptions options,
                                 std::shared_ptr<const text::Tokenizer> tokenizer)
    : state_(std::make_unique<State>(std::move(options), std::move(tokenizer))) {
  if (!state_->options.kind.empty()) dialect_named(state_->options.kind);
  state_->run();
  state_->find_model();
}

UpstreamBackend::~UpstreamBackend() = default;

const ModelInfo& UpstreamBackend::info() const { return state_->info; }

std::unique_ptr<Answer> UpstreamBackend::chat(const ChatRequest& request,
                                              const RequestContext& context) {
  const PromptSize::Size prompt = state_->size.of(request);
  const int64_t most = state_->max_tokens(prompt, request.generation, "messages");
  UpstreamPlan plan =
      state_->plan(state_->requests->chat(request, most), prompt, request.generation, context);
  plan.max_tokens = most;
  plan.reader.parse_calls = request.tool_choice != ToolChoice::kNone;
  return std::make_unique<UpstreamAnswer>(state_->line, std::move(plan));
}

std::unique_ptr<Answer> UpstreamBackend::complete(const CompletionRequest& request,
                                                  const RequestContext& context) {
  if (request.prompt.empty() && !request.suffix) throw invalid_request("Empty prompt");
  const PromptSize::Size prompt = state_->size.of(request);
  const int64_t most = state_->max_tokens(prompt, request.generation, "prompt");
  UpstreamPlan plan = state_->plan(state_->requests->completion(request, most), prompt,
                                   request.generation, context);
  plan.max_tokens = most;
  return std::make_unique<UpstreamAnswer>(state_->line, std::move(plan));
}

namespace {

PromptBuilder& need(PromptBuilder* prompts) {
  if (!prompts) throw invalid_request("This server has no tokenizer: its model is elsewhere");
  return *prompts;
}

}  // namespace

std::vector<int32_t> UpstreamBackend::tokenize(std::string_view text) {
  return need(state_->size.prompts()).tokenizer().encode(text);
}

std::vector<int32_t> UpstreamBackend::tokenize_chat(const ChatRequest& request) {
  return need(state_->size.prompts()).chat(request).ids;
}

BackendStats UpstreamBackend::stats() const {
  return {.running = state_->line.running, .waiting = 0, .kv_cache_usage = 0};
}

}  // namespace fathom::api
