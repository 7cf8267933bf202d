// Checks on the directory that a checkpoint is about to be written to.
#pragma once

#include <cstdint>
#include <string>

#include "io/file_system.h"

namespace fathom {

/// Throws Error(kConflict) where `dir` holds a config.json, an index or a .safetensors file.
void require_no_model(const std::string& dir);

/// Throws Error(kIo), with both numbers, where the disk of `dir` has no room for `bytes` more.
void require_room(io::FileSystem& files, const std::string& dir, uint64_t bytes);

/// "4.30 GB", in decimal units as disks are sold.
std::string human_bytes(uint64_t bytes);

}  // namespace fathom
