#include "api/upstream/upstream_url.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace fathom::api {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view problem) {
  fail(ErrorKind::kUsage, "--upstream {}: {}; expected http://HOST:PORT/v1 or https", text,
       problem);
}

bool take_front(std::string_view& text, std::string_view front) {
  if (!text.starts_with(front)) return false;
  text.remove_prefix(front.size());
  return true;
}

/// Takes the host off the front of "host:port" or "[v6]:port".
std::string take_host(std::string_view& authority) {
  std::string host;
  if (take_front(authority, "[")) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return "";
    host = authority.substr(0, end);
    authority.remove_prefix(end + 1);
  } else {
    const size_t end = std::min(authority.find(':'), authority.size());
    host = authority.substr(0, end);
    authority.remove_prefix(end);
  }
  return host;
}

}  // namespace

std::string UpstreamUrl::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

std::string UpstreamUrl::text() const {
  return (tls ? "https://" : "http://") + authority() + path;
}

UpstreamUrl parse_upstream_url(std::string_view text) {
  UpstreamUrl url;
  std::string_view rest = text;
  url.tls = take_front(rest, "https://");
  if (!url.tls && !take_front(rest, "http://")) refuse(text, "not an http address");
  for (const char c : rest) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '?' || c == '#' || c == '@') {
      refuse(text, "spaces, '?', '#' and '@' have no place in it");
    }
  }
  std::string_view authority = rest.substr(0, rest.find('/'));
  url.path = rest.substr(authority.size());
  while (url.path.ends_with('/')) url.path.pop_back();
  if (url.path.empty()) url.path = "/v1";

  url.port = url.tls ? 443 : 80;
  url.host = take_host(authority);
  if (url.host.empty()) refuse(text, "no host");
  if (take_front(authority, ":")) {
    const char* end = authority.data() + authority.size();
    const auto [stop, error] = std::from_chars(authority.data(), end, url.port);
    if (error != std::errc() || stop != end || url.port == 0) refuse(text, "no such port");
  } else if (!authority.empty()) {
    refuse(text, "something follows the host");
  }
  return url;
}

}  // namespace fathom::api
