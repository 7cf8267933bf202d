// Always-on checks of what only a programmer's mistake can break. Input from outside is not checked
// here: it throws fathom::Error.
#pragma once

namespace fathom {

/// Prints the place and the condition to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace fathom

#define FATHOM_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::fathom::check_failed(__FILE__, __LINE__, #condition))
