// The memory that all sequences' latent KV lives in: equal pages out of one budget.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "tensor/huge_region.h"

namespace fathom::cache {

class PagePool;

/// A counted hold on one page; the page returns to the pool with its last hold. Copies share the
/// page. One PageRef belongs to one thread; the page's count is shared safely between threads. Must
/// not outlive the pool.
class PageRef {
 public:
  PageRef() = default;
  PageRef(const PageRef& other);
  PageRef(PageRef&& other) noexcept;
  PageRef& operator=(PageRef other) noexcept;
  ~PageRef();

  explicit operator bool() const { return pool_ != nullptr; }
  std::byte* data() const;
  /// Whether nobody else holds the page.
  bool unique() const;
  /// Until withdraw(), the holder gives the page back on demand: while nobody else holds it, it is
  /// one of PagePool::reclaimable(). Once for a page.
  void offer() const;
  void withdraw() const;
  bool same_page(const PageRef& other) const {
    return pool_ == other.pool_ && index_ == other.index_;
  }

 private:
  friend class PagePool;
  PageRef(PagePool* pool, uint32_t index) : pool_(pool), index_(index) {}

  PagePool* pool_ = nullptr;
  uint32_t index_ = 0;
};

/// Thread-safe.
class PagePool {
 public:
  /// As many pages of `page_bytes` as fit `budget_bytes`, at least one: less is Error(kResource),
  /// as is an address range that the system does not have. Memory is taken from the system when a
  /// page is first used, and kept; it lies in huge pages, for attention reads each layer's part of
  /// each.
  PagePool(size_t page_bytes, size_t budget_bytes);
  ~PagePool();
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  /// A zeroed page, or an empty ref when all are held.
  PageRef allocate();

  /// Copy on write: after it, `page` is held by nobody else and has the same content. False, and
  /// `page` as it was, when that took a page and there was none.
  bool make_writable(PageRef& page);

  size_t page_bytes() const { return page_bytes_; }
  int64_t capacity() const { return capacity_; }
  int64_t in_use() const;
  int64_t available() const;
  /// Pages that are offered by their only holder.
  int64_t reclaimable() const { return reclaimable_.load(std::memory_order_acquire); }

 private:
  friend class PageRef;
  // Of a slot's state: one atomic value, so that of two holds that end at once only one is the last
  // beside the offer.
  static constexpr uint32_t kOffered = 1;
  static constexpr uint32_t kHold = 2;
  static constexpr uint32_t kReclaimable = kOffered + kHold;
  struct Slot {
    std::atomic<uint32_t> state{0};  // kHold for each hold, and kOffered
    bool dirty = false;
  };

  std::byte* data(uint32_t index) const { return memory_.data() + index * stride_; }
  void hold(uint32_t index);
  void release(uint32_t index);
  void offer(uint32_t index);
  void withdraw(uint32_t index);

  const size_t page_bytes_;
  const size_t stride_;  // page_bytes_ rounded up to a cache line
  const int64_t capacity_;
  HugeRegion memory_;  // takes memory where it is touched
  std::unique_ptr<Slot[]> slots_;
  std::atomic<int64_t> reclaimable_ = 0;
  mutable std::mutex mutex_;
  int64_t made_ = 0;  // slots that were ever in use
  std::vector<uint32_t> free_;
};

}  // namespace fathom::cache
