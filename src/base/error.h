// The one exception for whatever comes from outside and is wrong.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace fathom {

/// What went wrong, in the terms a caller acts on. `exit_code` and the API's HTTP status follow it.
enum class ErrorKind {
  kUsage,        ///< a flag or argument is wrong (exit 2, HTTP 400)
  kBadInput,     ///< a file, request or field does not hold what it must (exit 3, HTTP 422)
  kUnsupported,  ///< well-formed, but a value that this program does not know (exit 4, HTTP 400)
  kNotFound,     ///< a file, key or model that is not there (exit 5, HTTP 404)
  kIo,           ///< the system refused: disk full, permission, network (exit 6, HTTP 500)
  kResource,     ///< not enough memory, queue or balance (exit 7, HTTP 503)
  kConflict,     ///< somebody else holds it: a lock, a port (exit 8, HTTP 409)
  kCancelled,    ///< the user stopped it (exit 130)
};

/// Carries one line: where, what was found, what was expected. Thrown at the place that knows,
/// caught in `main`, in the request handler and at a thread's entry.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// The process's exit code for an error of this kind.
int exit_code(ErrorKind kind);

/// Throws an Error with a formatted message: `fail(ErrorKind::kBadInput, "{}: ...", path)`.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fathom
