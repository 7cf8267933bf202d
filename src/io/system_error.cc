#include "io/system_error.h"

#include <cerrno>
#include <system_error>

#include "base/error.h"

namespace fathom::io {

void fail_errno(const std::string& path, std::string_view what, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  fail(missing ? ErrorKind::kNotFound : ErrorKind::kIo, "{}: cannot {}: {}", path, what,
       std::generic_category().message(error));
}

}  // namespace fathom::io
