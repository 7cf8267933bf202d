// What another server's errors mean to our clients.
#pragma once

#include <string>
#include <string_view>

#include "api/api_error.h"
#include "api/json_body.h"

namespace fathom::api {

/// An upstream's error: the client gets the ApiError, the log the upstream's own words.
struct UpstreamProblem {
  ApiError told;
  std::string logged;
};

/// The words in an error's body, in the shape of any of the servers; the beginning of the body
/// where it has none of them.
std::string upstream_words(std::string_view body);

/// A response that is not 200. What is wrong with the request is the client's business; what is
/// wrong between us and the upstream (our key, its address, a redirect) is not.
UpstreamProblem response_problem(int status, std::string_view body);

/// Whether an event or a body with status 200 is an error all the same.
bool is_error(const Json& body);
UpstreamProblem body_problem(const Json& body);

}  // namespace fathom::api
