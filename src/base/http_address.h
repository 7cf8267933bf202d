// The address of an HTTP server's API, from what a user gives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom {

struct HttpAddress {
  bool tls = false;
  std::string host;  ///< a name or an address, IPv6 without brackets
  uint16_t port = 80;
  std::string path;  ///< "/v1"; never ends in a slash; empty for none

  /// For the Host header.
  std::string authority() const;
  std::string text() const;
};

/// From "http://HOST[:PORT][/PATH]" or "https://...", given as `named` ("--api"). Throws
/// Error(kUsage) for anything else, and for user names, queries and fragments.
HttpAddress parse_http_address(std::string_view named, std::string_view text);

}  // namespace fathom
