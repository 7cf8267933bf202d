// One HTTP request at a time, over TCP or TLS.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "base/http_address.h"

namespace fathom::eval {

struct HttpReply {
  int status = 0;
  std::string body;
  std::optional<double> retry_after;  ///< seconds, from the header of that name
};

/// Posts `body` to `address.path` + `path` on a connection of its own. Certificates are checked
/// against the system's authorities. Throws Error(kIo) for whatever keeps a whole reply from
/// coming: no such host, refused, broken off, not HTTP, nothing for `timeout`. Any thread.
HttpReply http_post(const HttpAddress& address, const std::string& path,
                    const std::map<std::string, std::string>& headers, const std::string& body,
                    std::chrono::seconds timeout);

}  // namespace fathom::eval
