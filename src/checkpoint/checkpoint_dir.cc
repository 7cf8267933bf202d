#include "checkpoint/checkpoint_dir.h"

#include <fmt/format.h>

#include "base/error.h"
#include "checkpoint/shard_index.h"

namespace fathom {

io::FileLock lock_for_writing(const std::string& dir) {
  return {io::join(dir, kWriteLockName), "a checkpoint is being written here",
          io::LockFile::kRemoved};
}

void require_no_model(const std::string& dir) {
  for (const std::string& name : io::list_files(dir)) {
    if (name == "config.json" || name == kIndexFileName || name.ends_with(".safetensors")) {
      fail(ErrorKind::kConflict, "{}: holds a model already ({}), expected an empty directory", dir,
           name);
    }
  }
}

void require_room(io::FileSystem& files, const std::string& dir, uint64_t bytes) {
  const uint64_t available = files.free_bytes(dir);
  if (bytes > available) {
    fail(ErrorKind::kIo, "{}: the disk is too full: {} are needed, {} are free", dir,
         human_bytes(bytes), human_bytes(available));
  }
}

std::string human_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.3g} {}", value, kUnits[unit]);
}

}  // namespace fathom
