// The context cache: pages of prefixes seen before, in memory first, then on disk.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "cache/disk_store.h"
#include "cache/page_pool.h"
#include "cache/prefix_index.h"

namespace fathom::cache {

struct ContextCacheOptions {
  bool enabled = true;         ///< false: nothing is kept and nothing found
  std::string directory = {};  ///< of the disk store; empty: memory only
  DiskOptions disk = {};
  /// Pages that may wait to be written, each held in memory meanwhile; more are not stored.
  int64_t write_queue_pages = 256;
  /// False: reads and writes happen inside the calls, for tests that repeat exactly.
  bool background = true;
  /// Called from the cache's thread when a load is done.
  std::function<void()> on_loaded = {};
};

/// Pages on their way from disk. `pages[i]` is that of `names[i]`; once `done`, the first `loaded`
/// of them are whole.
struct PageLoad {
  std::vector<PageName> names;
  std::vector<PageRef> pages;
  int64_t loaded = 0;
  std::atomic<bool> done = false;
};

/// All calls from one thread, the engine's. Has a thread of its own for the disk.
class ContextCache {
 public:
  /// `pool` must outlive the cache. Throws as DiskStore does.
  ContextCache(PagePool& pool, const std::string& origin, ContextCacheOptions options);
  ~ContextCache();
  ContextCache(const ContextCache&) = delete;
  ContextCache& operator=(const ContextCache&) = delete;

  /// The key that every sequence's first page continues.
  const PrefixKey& root() const { return root_; }

  /// The page in memory, or an empty ref.
  PageRef find(const PrefixKey& key, PageIds ids);
  bool on_disk(const PrefixKey& key) const;

  /// Begins to read the pages of `names`, a chain. Fewer where memory is short; null for none.
  std::shared_ptr<PageLoad> load(std::span<const PageName> names);
  /// Takes over what a load that is done has brought. To be called once for each.
  void finish(const PageLoad& load);

  /// Keeps a page that is complete and will not change.
  void publish(const PageName& name, const PageRef& page);

  /// Counts as a use of a chain, given from its beginning.
  void touch(std::span<const PrefixKey> chain);

  /// A page from the pool; where none is free, the least recently used cached page goes, then pages
  /// that wait to be written. Empty when every page is in use.
  PageRef allocate();
  bool make_writable(PageRef& page);
  /// Pages that allocate() can still give.
  int64_t available() const;

  /// Waits until everything published so far is on disk or given up.
  void flush();
  /// Drops all that is in memory; the disk keeps its own.
  void clear_memory();
  DiskStats disk_stats() const;

 private:
  struct Write {
    PageName name;
    PageRef page;
  };
  struct Task {  // one of
    std::shared_ptr<PageLoad> load;
    std::vector<PrefixKey> touched;
  };

  void work();
  void run(Task& task);
  void run(Write& write);
  void enqueue(Task task);
  bool reclaim();
  bool drop_queued_write();

  PagePool& pool_;
  const ContextCacheOptions options_;
  const PrefixKey root_;
  PrefixIndex index_;
  std::unique_ptr<DiskStore> store_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::deque<Task> tasks_;  // before writes: somebody waits for a load
  std::deque<Write> writes_;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace fathom::cache
