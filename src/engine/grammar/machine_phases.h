// Where the machine stands in objects and arrays.
#pragma once

#include <cstdint>

namespace fathom::engine {

/// Where an object or array stands. Objects: `position` is the property that comes next (in kOpen,
/// kComma, kAfter, kKey) or is at hand (in kColon, kValue); all beyond the listed ones are
/// additional. In kKey `count` bytes of the key are there, and the keys that begin with them are in
/// by_key from `value` up to `point`. Arrays: `count` elements have begun.
enum ContainerPhase : uint8_t { kOpen, kComma, kKey, kColon, kValue, kAfter };

}  // namespace fathom::engine
