#include "base/http_address.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace fathom {
namespace {

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

std::string HttpAddress::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

std::string HttpAddress::text() const {
  return (tls ? "https://" : "http://") + authority() + path;
}

HttpAddress parse_http_address(std::string_view named, std::string_view text) {
  const auto refuse = [&](std::string_view problem) {
    fail(ErrorKind::kUsage, "{} {}: {}; expected http://HOST[:PORT][/PATH] or https://", named,
         text, problem);
  };
  HttpAddress address;
  std::string_view rest = text;
  address.tls = take_front(rest, "https://");
  if (!address.tls && !take_front(rest, "http://")) refuse("not an http address");
  for (const char c : rest) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '?' || c == '#' || c == '@') {
      refuse("spaces, '?', '#' and '@' have no place in it");
    }
  }
  std::string_view authority = rest.substr(0, rest.find('/'));
  address.path = rest.substr(authority.size());
  while (address.path.ends_with('/')) address.path.pop_back();

  address.port = address.tls ? 443 : 80;
  address.host = take_host(authority);
  if (address.host.empty()) refuse("no host");
  if (take_front(authority, ":")) {
    const char* end = authority.data() + authority.size();
    const auto [stop, error] = std::from_chars(authority.data(), end, address.port);
    if (error != std::errc() || stop != end || address.port == 0) refuse("no such port");
  } else if (!authority.empty()) {
    refuse("something follows the host");
  }
  return address;
}

}  // namespace fathom
