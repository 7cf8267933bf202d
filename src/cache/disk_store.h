// Pages of cached prefixes on disk. The format: docs/formats/context-cache.md.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/prefix_key.h"
#include "io/file_lock.h"

namespace fathom::cache {

struct DiskOptions {
  uint64_t budget_bytes = uint64_t{16} << 30;  ///< of the entries, least recently used first to go
  std::chrono::seconds ttl = std::chrono::hours(72);  ///< since the last use; 0: forever
  /// Microseconds since the epoch; replaced by tests.
  std::function<int64_t()> now = {};
};

struct DiskStats {
  int64_t entries = 0;
  int64_t bytes = 0;
  int64_t damaged = 0;  ///< entries found damaged, and dropped
  int64_t rebuilt = 0;  ///< times the whole store was found damaged, and begun anew
};

/// A page as the store sees it: what it continues, its own ids, its key.
struct PageName {
  PrefixKey parent;
  PrefixKey key;
  std::array<int32_t, kPageTokens> ids;
};

class DiskDatabase;

/// A cache: whatever cannot be read is a miss, whatever cannot be written is dropped, and neither
/// is an error. Survives kill -9 at any moment. Thread-safe; contains() never waits for the disk.
class DiskStore {
 public:
  /// Opens or makes the store in `directory`. Throws Error: kConflict when another process (or
  /// store) has it open, kIo when the directory can't be made or written.
  DiskStore(const std::string& directory, DiskOptions options);
  ~DiskStore();
  DiskStore(const DiskStore&) = delete;
  DiskStore& operator=(const DiskStore&) = delete;

  bool contains(const PrefixKey& key) const;

  /// Fills `page` and returns true if the entry is whole and is of these ids after this parent.
  /// `page` is undefined otherwise.
  bool get(const PageName& name, std::span<std::byte> page);

  /// Stores unless it is there. False when it could not.
  bool put(const PageName& name, std::span<const std::byte> page);

  /// Counts as a use, of the last key last.
  void touch(std::span<const PrefixKey> keys);

  DiskStats stats() const;

 private:
  struct Entry {
    int64_t page = 0;  // the database's number for it
    int64_t bytes = 0;
    int64_t used = 0;
    std::list<PrefixKey>::iterator place;
  };

  static std::string made(const std::string& directory);
  template <typename Work>
  bool guarded(Work work);
  bool read_index();
  void rebuild();
  void remember(const PrefixKey& key, Entry entry);
  void erase(PrefixKey key);
  void make_room(int64_t bytes);
  void drop_expired();

  const std::string directory_;
  const DiskOptions options_;
  const io::FileLock lock_;

  std::mutex disk_mutex_;
  std::unique_ptr<DiskDatabase> database_;  // null once no file could be made
  std::vector<std::byte> scratch_;

  // Written with both mutexes held (disk_mutex_ first), so read with either.
  mutable std::mutex index_mutex_;
  std::unordered_map<PrefixKey, Entry, PrefixKeyHash> entries_;
  std::list<PrefixKey> order_;  // most recently used first
  DiskStats stats_;
};

}  // namespace fathom::cache
