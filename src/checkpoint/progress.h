// How far a long piece of work is.
#pragma once

#include <cstdint>
#include <functional>

namespace fathom {

/// Called now and then with the bytes done and the bytes in all; may be called from any thread, two
/// at once included, and `done` may then arrive out of order.
using Progress = std::function<void(uint64_t done, uint64_t total)>;

}  // namespace fathom
