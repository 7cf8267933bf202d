// The system calls that a boxed program is refused.
#pragma once

#include <string>

namespace fathom::eval {

/// A classic BPF program as bubblewrap's --seccomp reads it: refused calls fail with EPERM, clone3
/// with ENOSYS (so that libc falls back to clone, whose flags can be read), calls of another
/// architecture kill the process.
std::string seccomp_filter();

}  // namespace fathom::eval
