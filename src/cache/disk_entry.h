// The bytes of one stored page: a header that says whose page it is, the page, and a digest of
// both.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cache/disk_store.h"

namespace fathom::cache {

void encode_entry(const PageName& name, std::span<const std::byte> page,
                  std::vector<std::byte>& entry);

/// Copies the page out of `entry` if every byte of it is as written and it is of `name`.
bool decode_entry(std::span<const std::byte> entry, const PageName& name,
                  std::span<std::byte> page);

}  // namespace fathom::cache
