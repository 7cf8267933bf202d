// errno as an Error.
#pragma once

#include <string>
#include <string_view>

namespace fathom::io {

/// Throws for `error` (an errno): ENOENT and ENOTDIR as kNotFound, the rest as kIo:
/// "PATH: cannot WHAT: No space left on device".
[[noreturn]] void fail_errno(const std::string& path, std::string_view what, int error);

}  // namespace fathom::io
