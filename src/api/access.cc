#include "api/access.h"

#include <boost/beast/core/string.hpp>

#include "api/api_error.h"

namespace fathom::api {
namespace {

using boost::beast::http::field;

std::string_view bearer(const HttpRequest& request) {
  std::string_view value = request.header(field::authorization);
  constexpr std::string_view kScheme = "Bearer ";
  if (value.size() < kScheme.size() ||
      !boost::beast::iequals(value.substr(0, kScheme.size()), kScheme)) {
    return {};
  }
  value.remove_prefix(kScheme.size());
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return value;
}

/// "localhost:8080" without its port.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

/// A name of this machine as it calls itself: another may be one that a stranger's name server
/// points here, to have the user's browser talk to us as if we were that stranger.
bool names_loopback(std::string_view host) {
  const std::string_view name = host_name(host);
  return name.empty() || name == "localhost" || name == "127.0.0.1" || name == "[::1]";
}

bool same_origin(const HttpRequest& request) {
  const std::string_view origin = request.header(field::origin);
  if (origin.empty()) return true;
  const size_t slashes = origin.find("://");
  return slashes != std::string_view::npos &&
         origin.substr(slashes + 3) == request.header(field::host);
}

}  // namespace

boost::asio::awaitable<bool> Access::asks_for_key() {
  const auto now = std::chrono::steady_clock::now();
  // Keys are made in another process.
  if (!has_keys_ && now - looked_ >= std::chrono::seconds(1)) {
    has_keys_ = co_await run_on(workers_, [this] { return ledger_.has_keys(); });
    looked_ = now;  // not before the answer, on which those who ask meanwhile depend as well
  }
  co_return has_keys_;
}

Caller Access::identify(const HttpRequest& request, bool asks) {
  if (!asks) {
    if (!names_loopback(request.header(field::host)) || !same_origin(request)) {
      throw ApiError(403, "permission_error",
                     "Without an API key this server answers its own page and local programs only");
    }
    return {};
  }
  const Caller caller{ledger_.authenticate(bearer(request))};
  if (!caller.key) throw unauthenticated();
  return caller;
}

Access::Slot Access::occupy(const Caller& caller) {
  const int64_t key = caller.key ? caller.key->id : 0;
  int64_t& count = running_[key];
  if (caller.key && most_running_ > 0 && count >= most_running_) throw rate_limited();
  ++count;
  return Slot(*this, key);
}

Access::Slot::~Slot() {
  if (!access_) return;
  const auto place = access_->running_.find(key_);
  if (--place->second == 0) access_->running_.erase(place);
}

}  // namespace fathom::api
