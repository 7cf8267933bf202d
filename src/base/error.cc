#include "base/error.h"

namespace fathom {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return 2;
    case ErrorKind::kBadInput:
      return 3;
    case ErrorKind::kUnsupported:
      return 4;
    case ErrorKind::kNotFound:
      return 5;
    case ErrorKind::kIo:
      return 6;
    case ErrorKind::kResource:
      return 7;
    case ErrorKind::kConflict:
      return 8;
    case ErrorKind::kCancelled:
      return 130;
  }
  return 1;
}

}  // namespace fathom
