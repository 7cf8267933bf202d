#include "cache/disk_store.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "cache/disk_database.h"
#include "cache/disk_entry.h"

namespace fathom::cache {
namespace {

constexpr const char* kFileName = "context-cache.sqlite";

int64_t unix_microseconds() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

DiskOptions with_defaults(DiskOptions options) {
  if (!options.now) options.now = unix_microseconds;
  return options;
}

}  // namespace

std::string DiskStore::made(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail(ErrorKind::kIo, "{}: {}", directory, error.message());
  return directory;
}

DiskStore::DiskStore(const std::string& directory, DiskOptions options)
    : directory_(made(directory)),
      options_(with_defaults(std::move(options))),
      lock_(directory_ + "/lock", "a context cache is for one process"),
      database_(std::make_unique<DiskDatabase>()) {
  try {
    database_->open(directory_ + "/" + kFileName, options_.budget_bytes);
    if (!read_index()) rebuild();
  } catch (const DatabaseError& error) {
    if (error.is_passing()) {
      fail(ErrorKind::kIo, "{}/{}: {}", directory_, kFileName, error.message);
    }
    rebuild();
  }
  guarded([&] {
    drop_expired();
    make_room(0);
  });
}

DiskStore::~DiskStore() = default;

// Runs `work` on the database; false when it failed, and then the store is as good as before, or
// new and empty where its structure turned out damaged.
template <typename Work>
bool DiskStore::guarded(Work work) {
  if (database_ == nullptr) return false;
  try {
    work();
    return true;
  } catch (const DatabaseError& error) {
    if (!error.is_passing()) rebuild();
    return false;
  }
}

bool DiskStore::read_index() {
  return database_->list([&](const PrefixKey& key, int64_t used, int64_t bytes, int64_t page) {
    const auto [place, added] = entries_.try_emplace(key);
    if (!added || bytes < 0 || bytes > (int64_t{1} << 40)) return false;
    place->second = {page, bytes, used, order_.insert(order_.begin(), key)};
    stats_.bytes += bytes;
    ++stats_.entries;
    return true;
  });
}

void DiskStore::rebuild() {
  spdlog::warn("{}: the context cache is damaged; beginning a new one", directory_);
  database_ = std::make_unique<DiskDatabase>();
  const std::string path = directory_ + "/" + kFileName;
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path + suffix).c_str());
  {
    std::lock_guard lock(index_mutex_);
    entries_.clear();
    order_.clear();
    stats_ = {0, 0, stats_.damaged, stats_.rebuilt + 1};
  }
  try {
    database_->open(path, options_.budget_bytes);
  } catch (const DatabaseError& error) {
    spdlog::error("{}: no context cache on disk: {}", directory_, error.message);
    database_.reset();
  }
}

bool DiskStore::contains(const PrefixKey& key) const {
  std::lock_guard lock(index_mutex_);
  return entries_.contains(key);
}

bool DiskStore::get(const PageName& name, std::span<std::byte> page) {
  std::lock_guard disk(disk_mutex_);
  const auto found = entries_.find(name.key);
  if (found == entries_.end()) return false;
  bool whole = false;
  const bool done = guarded([&] {
    database_->read(found->second.page, [&](std::span<const std::byte> entry) {
      whole = decode_entry(entry, name, page);
    });
    if (whole) return;
    {
      std::lock_guard lock(index_mutex_);
      ++stats_.damaged;
    }
    erase(name.key);
  });
  return done && whole;
}

bool DiskStore::put(const PageName& name, std::span<const std::byte> page) {
  std::lock_guard disk(disk_mutex_);
  if (entries_.contains(name.key)) return true;
  encode_entry(name, page, scratch_);
  if (scratch_.size() > options_.budget_bytes) return false;
  return guarded([&] {
    drop_expired();
    make_room(static_cast<int64_t>(scratch_.size()));
    const int64_t now = options_.now();
    int64_t row;
    try {
      row = database_->insert(name.key, now, scratch_);
    } catch (const DatabaseError& error) {
      if (!error.is_full()) throw;  // full: the device, or the file's own bound
      make_room(static_cast<int64_t>(options_.budget_bytes / 8));
      row = database_->insert(name.key, now, scratch_);
    }
    remember(name.key, {row, static_cast<int64_t>(scratch_.size()), now, {}});
  });
}

void DiskStore::touch(std::span<const PrefixKey> keys) {
  std::lock_guard disk(disk_mutex_);
  const int64_t now = options_.now();
  guarded([&] {
    database_->set_used(keys, now);
    std::lock_guard lock(index_mutex_);
    for (const PrefixKey& key : keys) {
      const auto found = entries_.find(key);
      if (found == entries_.end()) continue;
      order_.splice(order_.begin(), order_, found->second.place);
      found->second.used = now;
    }
  });
}

void DiskStore::remember(const PrefixKey& key, Entry entry) {
  std::lock_guard lock(index_mutex_);
  stats_.bytes += entry.bytes;
  ++stats_.entries;
  entry.place = order_.insert(order_.begin(), key);
  entries_.emplace(key, entry);
}

void DiskStore::erase(PrefixKey key) {
  const auto found = entries_.find(key);
  database_->erase(key, found->second.page);
  std::lock_guard lock(index_mutex_);
  stats_.bytes -= found->second.bytes;
  --stats_.entries;
  order_.erase(found->second.place);
  entries_.erase(found);
}

void DiskStore::make_room(int64_t bytes) {
  const auto budget = static_cast<int64_t>(options_.budget_bytes);
  while (!order_.empty() && stats_.bytes + bytes > budget) erase(order_.back());
}

void DiskStore::drop_expired() {
  if (options_.ttl.count() == 0) return;
  const int64_t oldest = options_.now() - std::chrono::microseconds(options_.ttl).count();
  while (!order_.empty() && entries_.find(order_.back())->second.used < oldest) {
    erase(order_.back());
  }
}

DiskStats DiskStore::stats() const {
  std::lock_guard lock(index_mutex_);
  return stats_;
}

}  // namespace fathom::cache
