// The address of another server's API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::api {

struct UpstreamUrl {
  bool tls = false;
  std::string host;  ///< a name or an address, IPv6 without brackets
  uint16_t port = 80;
  std::string path;  ///< "/v1"; never ends in a slash

  /// For the Host header.
  std::string authority() const;
  std::string text() const;
};

/// "http://host:8000/v1". Without a path it is /v1, where all of these servers have their API.
/// Throws Error(kUsage) for anything that is not http or https, and for user names, queries and
/// fragments.
UpstreamUrl parse_upstream_url(std::string_view text);

}  // namespace fathom::api
