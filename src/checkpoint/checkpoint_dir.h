// What the directory that a checkpoint is about to be written to is asked first.
#pragma once

#include <cstdint>
#include <string>

#include "io/file_lock.h"
#include "io/file_system.h"

namespace fathom {

/// Of a directory while a checkpoint is written to it: two who write there at once would write into
/// each other's files.
inline constexpr const char* kWriteLockName = ".fathom-lock";

/// Throws Error(kConflict) where somebody writes a checkpoint to `dir` already.
io::FileLock lock_for_writing(const std::string& dir);

/// Throws Error(kConflict) where `dir` holds a config.json, an index or a .safetensors file.
void require_no_model(const std::string& dir);

/// Throws Error(kIo), with both numbers, where the disk of `dir` has no room for `bytes` more.
void require_room(io::FileSystem& files, const std::string& dir, uint64_t bytes);

/// "4.30 GB", in decimal units as disks are sold.
std::string human_bytes(uint64_t bytes);

}  // namespace fathom
