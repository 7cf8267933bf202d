#include "cache/context_cache.h"

#include <utility>

#include "base/check.h"
#include "base/worker_thread.h"

namespace fathom::cache {

ContextCache::ContextCache(PagePool& pool, const std::string& origin, ContextCacheOptions options)
    : pool_(pool), options_(std::move(options)), root_(root_key(origin)) {
  if (!options_.enabled || options_.directory.empty()) return;
  store_ = std::make_unique<DiskStore>(options_.directory, options_.disk);
  if (options_.background) thread_ = worker_thread([this] { work(); });
}

ContextCache::~ContextCache() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;  // after what is queued
  }
  wake_.notify_all();
  thread_.join();
}

PageRef ContextCache::find(const PrefixKey& key, PageIds ids) { return index_.find(key, ids); }

bool ContextCache::on_disk(const PrefixKey& key) const {
  return store_ != nullptr && store_->contains(key);
}

std::shared_ptr<PageLoad> ContextCache::load(std::span<const PageName> names) {
  if (store_ == nullptr) return nullptr;
  auto load = std::make_shared<PageLoad>();
  for (const PageName& name : names) {
    PageRef page = allocate();
    if (!page) break;
    load->names.push_back(name);
    load->pages.push_back(std::move(page));
  }
  if (load->names.empty()) return nullptr;
  enqueue({load, {}});
  return load;
}

void ContextCache::finish(const PageLoad& load) {
  FATHOM_CHECK(load.done.load(std::memory_order_acquire));
  for (int64_t i = 0; i < load.loaded; ++i) {
    index_.insert(load.names[i].key, load.names[i].ids, load.pages[i]);
  }
}

void ContextCache::publish(const PageName& name, const PageRef& page) {
  if (!options_.enabled || index_.contains(name.key)) return;
  index_.insert(name.key, name.ids, page);
  if (store_ == nullptr || store_->contains(name.key)) return;
  if (!options_.background) {
    store_->put(name, {page.data(), pool_.page_bytes()});
    return;
  }
  {
    std::lock_guard lock(mutex_);
    if (static_cast<int64_t>(writes_.size()) >= options_.write_queue_pages) return;
    writes_.push_back({name, page});
  }
  wake_.notify_one();
}

void ContextCache::touch(std::span<const PrefixKey> chain) {
  for (size_t i = chain.size(); i > 0; --i) index_.touch(chain[i - 1]);
  if (store_ != nullptr && !chain.empty()) enqueue({nullptr, {chain.rbegin(), chain.rend()}});
}

PageRef ContextCache::allocate() {
  for (;;) {
    if (PageRef page = pool_.allocate()) return page;
    if (!reclaim()) return {};
  }
}

bool ContextCache::make_writable(PageRef& page) {
  while (!pool_.make_writable(page)) {
    if (!reclaim()) return false;
  }
  return true;
}

int64_t ContextCache::available() const { return pool_.available() + pool_.reclaimable(); }

bool ContextCache::reclaim() {
  if (pool_.reclaimable() > 0 && index_.evict()) return true;
  return drop_queued_write();
}

bool ContextCache::drop_queued_write() {
  std::lock_guard lock(mutex_);
  if (writes_.empty()) return false;
  writes_.pop_back();  // the newest: a chain without its end is of use, without its beginning not
  return true;
}

void ContextCache::enqueue(Task task) {
  if (!options_.background) {
    run(task);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void ContextCache::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stop_ || !tasks_.empty() || !writes_.empty(); });
    if (tasks_.empty() && writes_.empty()) return;
    busy_ = true;
    if (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      run(task);
    } else {
      Write write = std::move(writes_.front());
      writes_.pop_front();
      lock.unlock();
      run(write);
    }
    lock.lock();
    busy_ = false;
    if (tasks_.empty() && writes_.empty()) idle_.notify_all();
  }
}

void ContextCache::run(Write& write) {
  store_->put(write.name, {write.page.data(), pool_.page_bytes()});
}

void ContextCache::run(Task& task) {
  if (task.load == nullptr) {
    store_->touch(task.touched);
    return;
  }
  PageLoad& load = *task.load;
  while (
      load.loaded < static_cast<int64_t>(load.names.size()) &&
      store_->get(load.names[load.loaded], {load.pages[load.loaded].data(), pool_.page_bytes()})) {
    ++load.loaded;
  }
  load.done.store(true, std::memory_order_release);
  if (options_.on_loaded) options_.on_loaded();
}

void ContextCache::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return tasks_.empty() && writes_.empty() && !busy_; });
}

void ContextCache::clear_memory() { index_.clear(); }

DiskStats ContextCache::disk_stats() const {
  return store_ != nullptr ? store_->stats() : DiskStats{};
}

}  // namespace fathom::cache
