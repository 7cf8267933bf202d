#include "api/service.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "api/exchange.h"
#include "api/page.h"
#include "ledger/api_key.h"

namespace fathom::api {
namespace {

using boost::beast::http::field;

constexpr std::string_view kEndpoints[] = {
    "/chat/completions", "/completions", "/models",  "/user/balance", "/tokenize",
    "/health",           "/ready",       "/metrics", "/fathom/info"};

/// Takes /v1 or /beta off the front.
std::string_view strip_version(std::string_view path, bool& beta) {
  for (const std::string_view prefix : {"/v1", "/beta"}) {
    if (path.starts_with(prefix) && path.substr(prefix.size()).starts_with('/')) {
      beta = beta || prefix == "/beta";
      path.remove_prefix(prefix.size());
    }
  }
  return path;
}

std::string endpoint_of(std::string_view path) {
  for (const std::string_view endpoint : kEndpoints) {
    if (path == endpoint) return std::string(endpoint);
  }
  return path.starts_with("/models/") ? "/models" : "other";
}

// Braces within a co_await expression are more than GCC 12 can compile.
Json status_json(const char* status) { return {{"status", status}}; }

ApiError not_found(const std::string& path) {
  return {404, "invalid_request_error", "Not found: " + path};
}

ApiError method_not_allowed(const std::string& method) {
  return {405, "invalid_request_error", "Method not allowed: " + method};
}

}  // namespace

Service::Service(Backend& backend, ledger::Ledger& ledger, Workers& workers,
                 asio::any_io_executor executor, ServiceOptions options)
    : backend_(backend),
      ledger_(ledger),
      workers_(workers),
      till_(ledger, workers, executor),
      wakeups_(std::make_shared<Wakeups>(std::move(executor))),
      options_(std::move(options)),
      access_(ledger, workers, options_.key_concurrency) {
  const bool in_rounds = backend_.after_rounds([wakeups = wakeups_] { wakeups->set_out(); });
  if (in_rounds) wakeups_->wait_for_rounds();
}

asio::awaitable<void> Service::handle(Connection& connection, HttpRequest request,
                                      const std::string& peer) {
  Exchange exchange(connection, std::move(request));
  connection.answer(exchange.request);
  exchange.record.id = ledger::new_uuid();
  exchange.record.peer = peer;
  exchange.record.method = exchange.request.method;
  exchange.record.path = exchange.request.path;
  if (options_.log_bodies) exchange.record.text = exchange.request.body;
  exchange.endpoint = endpoint_of(strip_version(exchange.request.path, exchange.beta));
  std::optional<ApiError> error;
  try {
    co_await route(exchange);
  } catch (const std::exception& problem) {
    error = to_api_error(problem);
    exchange.record.error = error->status() < 500 ? error->type() : problem.what();
  }
  if (error) co_await reply_error(exchange, *error);
  finish(exchange);
}

asio::awaitable<void> Service::refuse(Connection& connection, const ApiError& error,
                                      const std::string& peer) {
  Exchange exchange(connection, {});
  exchange.record.id = ledger::new_uuid();
  exchange.record.peer = peer;
  exchange.record.error = error.type();
  exchange.endpoint = "other";
  connection.no_keep_alive();
  co_await reply_error(exchange, error);
  finish(exchange);
}

void Service::finish(Exchange& exchange) {
  exchange.record.seconds = exchange.seconds();
  metrics_.count_response(exchange.endpoint, exchange.record.status);
  const bool routine = exchange.endpoint == "/health" || exchange.endpoint == "/ready" ||
                       exchange.endpoint == "/metrics";
  if (!routine) log_request(exchange.record);
}

asio::awaitable<void> Service::route(Exchange& exchange) {
  const std::string& method = exchange.request.method;
  if (draining_) exchange.connection.no_keep_alive();
  if (method == "GET" || method == "HEAD") {
    co_await route_get(exchange);
  } else if (method == "POST") {
    co_await route_post(exchange);
  } else {
    throw method_not_allowed(method);
  }
}

asio::awaitable<void> Service::route_get(Exchange& exchange) {
  const std::string& endpoint = exchange.endpoint;
  if (endpoint == "/health") {
    co_await reply(exchange, status_json("ok"));
  } else if (endpoint == "/ready") {
    if (draining_) throw overloaded("The server is stopping");
    co_await reply(exchange, status_json("ready"));
  } else if (endpoint == "/metrics") {
    const std::string text = metrics_.text(backend_.stats());
    Response response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = text;
    exchange.record.status = 200;
    co_await exchange.connection.send(response);
  } else if (endpoint == "/models") {
    co_await serve_models(exchange);
  } else if (endpoint == "/user/balance") {
    co_await serve_balance(exchange);
  } else if (endpoint == "/fathom/info") {
    co_await serve_info(exchange);
  } else if (endpoint != "other") {
    throw method_not_allowed(exchange.request.method);
  } else {
    co_await serve_page(exchange);
  }
}

asio::awaitable<void> Service::route_post(Exchange& exchange) {
  const std::string& endpoint = exchange.endpoint;
  if (endpoint == "/chat/completions") {
    co_await serve_answer(exchange, &Service::read_chat);
  } else if (endpoint == "/completions") {
    co_await serve_answer(exchange, &Service::read_completion);
  } else if (endpoint == "/tokenize") {
    co_await serve_tokenize(exchange);
  } else if (endpoint != "other" || find_page_file(exchange.request.path)) {
    throw method_not_allowed(exchange.request.method);
  } else {
    throw not_found(exchange.request.path);
  }
}

asio::awaitable<void> Service::reply(Exchange& exchange, const Json& body) {
  const std::string text = dump_json(body);
  Response response;
  response.body = text;
  response.headers = {{"X-Request-Id", exchange.record.id}};
  exchange.record.status = 200;
  co_await exchange.connection.send(response);
}

asio::awaitable<void> Service::reply_error(Exchange& exchange, const ApiError& error) {
  exchange.record.status = error.status();
  const std::string body = error.body();
  Response response;
  response.status = error.status();
  response.body = body;
  response.headers = {{"X-Request-Id", exchange.record.id}};
  if (error.status() == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (error.status() == 405) response.headers.emplace_back("Allow", "GET, HEAD, POST");
  if (error.status() == 503 || error.status() == 429) {
    response.headers.emplace_back("Retry-After", "5");
  }
  co_await exchange.connection.send(response);
}

Caller Service::identify(Exchange& exchange, bool asks) {
  Caller caller = access_.identify(exchange.request, asks);
  if (caller.key) exchange.record.key = caller.key->hint;
  return caller;
}

asio::awaitable<Caller> Service::admit(Exchange& exchange) {
  const bool asks = co_await access_.asks_for_key();
  co_return co_await run_on(workers_, [&] { return identify(exchange, asks); });
}

void Service::check_model(const std::string& name) const {
  if (name != options_.model) throw invalid_request("Model Not Exist");
}

AnswerHead Service::head(const Exchange& exchange) const {
  return {.id = exchange.record.id,
          .created = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count(),
          .model = options_.model,
          .fingerprint = backend_.info().fingerprint};
}

asio::awaitable<void> Service::serve_models(Exchange& exchange) {
  co_await admit(exchange);
  const Json model = {{"id", options_.model}, {"object", "model"}, {"owned_by", "deepseek"}};
  bool beta = false;
  const std::string_view path = strip_version(exchange.request.path, beta);
  if (path == "/models") {
    Json list = {{"object", "list"}, {"data", Json::array()}};
    list["data"].push_back(model);
    co_await reply(exchange, list);
  } else if (path == "/models/" + options_.model) {
    co_await reply(exchange, model);
  } else {
    throw not_found(exchange.request.path);
  }
}

asio::awaitable<void> Service::serve_balance(Exchange& exchange) {
  const Caller caller = co_await admit(exchange);
  if (!caller.key) {
    // Nothing is charged, so there is no account to show.
    const Json nothing = {{"is_available", true}, {"balance_infos", Json::array()}};
    co_await reply(exchange, nothing);
    co_return;
  }
  const int64_t id = caller.key->account_id;
  const ledger::Account account =
      co_await run_on(workers_, [this, id] { return ledger_.account(id); });
  const Json balance = {{"currency", ledger::currency_name(account.currency)},
                        {"total_balance", ledger::format_two_decimals(account.total())},
                        {"granted_balance", ledger::format_two_decimals(account.granted)},
                        {"topped_up_balance", ledger::format_two_decimals(account.topped_up)}};
  Json body = {{"is_available", account.available() > 0}, {"balance_infos", Json::array()}};
  body["balance_infos"].push_back(balance);
  co_await reply(exchange, body);
}

namespace {

/// 2000 nano-units a token is "2" a million tokens.
std::string per_million(ledger::Nano price) {
  std::string text = ledger::format_exact(price * 1'000'000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

Json prices_json(ledger::Time now) {
  Json list = Json::object();
  for (const ledger::Currency currency : {ledger::Currency::kCny, ledger::Currency::kUsd}) {
    const ledger::Prices prices = ledger::prices_at(currency, now);
    const bool promotion = now < ledger::kPromotionEnd;
    list[std::string(ledger::currency_name(currency))] = {
        {"input_cache_hit", per_million(prices.hit)},
        {"input_cache_miss", per_million(prices.miss)},
        {"output", per_million(prices.output)},
        {"until", promotion ? Json(ledger::format_time(ledger::kPromotionEnd)) : Json()}};
  }
  return list;
}

}  // namespace

// For the page, which asks before it has a key: nothing here is a secret.
asio::awaitable<void> Service::serve_info(Exchange& exchange) {
  const bool asks = co_await access_.asks_for_key();
  const ModelInfo& info = backend_.info();
  const Json body = {{"model", options_.model},
                     {"name", info.name},
                     {"context_length", info.context_length},
                     {"max_tokens", info.max_tokens},
                     {"defaults",
                      {{"temperature", 1},
                       {"top_p", 1},
                       {"max_tokens", info.default_tokens},
                       {"frequency_penalty", 0},
                       {"presence_penalty", 0}}},
                     {"api_key_required", asks},
                     {"speculation", info.speculation},
                     {"prices", asks ? prices_json(ledger_.now()) : Json()}};
  co_await reply(exchange, body);
}

asio::awaitable<void> Service::serve_tokenize(Exchange& exchange) {
  co_await admit(exchange);
  const std::string text = std::move(exchange.request.body);
  const auto ids = co_await run_on(workers_, [this, &text, &exchange] {
    const Json body = parse_body(text);
    const Fields fields(body, "");
    if (fields.find("messages")) {
      return backend_.tokenize_chat(read_chat_request(body, exchange.beta));
    }
    return backend_.tokenize(fields.need_string(fields.find("prompt") ? "prompt" : "text"));
  });
  const Json body = {{"count", ids.size()}, {"tokens", ids}};
  co_await reply(exchange, body);
}

asio::awaitable<void> Service::serve_page(Exchange& exchange) {
  const std::string_view path = exchange.request.path;
  const PageFile* file = find_page_file(path);
  Response response;
  exchange.record.status = 200;
  if (!file) {
    if (path != "/") throw not_found(exchange.request.path);
    response.content_type = "text/plain; charset=utf-8";
    response.body =
        "Fathom's API is here. This build has no chat page: it was made without Node.js.\n";
    co_await exchange.connection.send(response);
    co_return;
  }
  const std::string etag(file->etag);
  response.content_type = file->content_type;
  response.headers = {
      {"ETag", etag},
      {"Cache-Control",
       path.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Content-Security-Policy", std::string(page_policy())},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Vary", "Accept-Encoding"}};
  if (exchange.request.header(field::if_none_match).find(etag) != std::string_view::npos) {
    response.status = exchange.record.status = 304;
    response.content_type = {};
    co_await exchange.connection.send(response);
    co_return;
  }
  const bool gzip =
      !file->gzip.empty() &&
      exchange.request.header(field::accept_encoding).find("gzip") != std::string_view::npos;
  if (gzip) response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = gzip ? file->gzip : file->body;
  co_await exchange.connection.send(response);
}

/// Throws ApiError; on a worker.
Service::Task Service::read_chat(const Exchange& exchange, const Json& body, const Caller& caller) {
  const ChatRequest request = read_chat_request(body, exchange.beta);
  check_model(request.generation.model);
  const RequestContext context{.id = exchange.record.id, .user = caller.user()};
  return {backend_.chat(request, context), chat_writer(head(exchange), request),
          request.generation.n, nullptr};
}

Service::Task Service::read_completion(const Exchange& exchange, const Json& body,
                                       const Caller& caller) {
  if (!exchange.beta) {
    throw invalid_request(
        "completions api is only available when using beta api (set "
        "base_url=\"https://api.deepseek.com/beta\")");
  }
  const CompletionRequest request = read_completion_request(body);
  check_model(request.generation.model);
  const RequestContext context{.id = exchange.record.id, .user = caller.user()};
  return {backend_.complete(request, context), completion_writer(head(exchange), request),
          request.generation.n, nullptr};
}

asio::awaitable<void> Service::serve_answer(Exchange& exchange, Reading reading) {
  if (draining_) throw overloaded("The server is stopping");
  const bool asks = co_await access_.asks_for_key();
  const std::string text = std::move(exchange.request.body);
  Caller caller;
  // All in one trip.
  Task task = co_await run_on(workers_, [&] {
    caller = identify(exchange, asks);
    return (this->*reading)(exchange, parse_body(text), caller);
  });
  const Access::Slot slot = access_.occupy(caller);
  task.bill =
      std::make_unique<Bill>(till_, caller,
                             BillTerms{.request_id = exchange.record.id,
                                       .model = options_.model,
                                       .prompt_tokens = task.answer->prompt_tokens(),
                                       .most_output = task.answer->max_tokens() * task.choices,
                                       .grows = backend_.counts_tokens()});
  co_await task.bill->open();
  co_await answer(exchange, std::move(task));
}

}  // namespace fathom::api
