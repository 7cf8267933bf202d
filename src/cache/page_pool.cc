#include "cache/page_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace fathom::cache {
namespace {

constexpr size_t kLine = 64;

int64_t pages_in(size_t budget_bytes, size_t stride) {
  FATHOM_CHECK(stride > 0);
  if (budget_bytes < stride) {
    fail(ErrorKind::kResource, "KV cache budget: {} bytes, expected at least one page of {}",
         budget_bytes, stride);
  }
  return static_cast<int64_t>(std::min<size_t>(budget_bytes / stride, UINT32_MAX));
}

}  // namespace

PageRef::PageRef(const PageRef& other) : pool_(other.pool_), index_(other.index_) {
  if (pool_ != nullptr) pool_->hold(index_);
}

PageRef::PageRef(PageRef&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), index_(std::exchange(other.index_, 0)) {}

PageRef& PageRef::operator=(PageRef other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(index_, other.index_);
  return *this;
}

PageRef::~PageRef() {
  if (pool_ != nullptr) pool_->release(index_);
}

std::byte* PageRef::data() const {
  FATHOM_CHECK(pool_ != nullptr);
  return pool_->data(index_);
}

bool PageRef::unique() const {
  if (pool_ == nullptr) return false;
  return pool_->slots_[index_].state.load(std::memory_order_acquire) / PagePool::kHold == 1;
}

void PageRef::offer() const {
  FATHOM_CHECK(pool_ != nullptr);
  pool_->offer(index_);
}

void PageRef::withdraw() const {
  FATHOM_CHECK(pool_ != nullptr);
  pool_->withdraw(index_);
}

PagePool::PagePool(size_t page_bytes, size_t budget_bytes)
    : page_bytes_(page_bytes),
      stride_((page_bytes + kLine - 1) / kLine * kLine),
      capacity_(pages_in(budget_bytes, stride_)),
      memory_(static_cast<size_t>(capacity_) * stride_),
      slots_(std::make_unique<Slot[]>(static_cast<size_t>(capacity_))) {}

PagePool::~PagePool() { FATHOM_CHECK(in_use() == 0); }

PageRef PagePool::allocate() {
  uint32_t index;
  {
    std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (made_ < capacity_) {
      index = static_cast<uint32_t>(made_++);
    } else {
      return {};
    }
  }
  Slot& slot = slots_[index];
  if (std::exchange(slot.dirty, true)) std::memset(data(index), 0, page_bytes_);
  slot.state.store(kHold, std::memory_order_relaxed);
  return PageRef(this, index);
}

bool PagePool::make_writable(PageRef& page) {
  if (page.unique()) return true;
  PageRef copy = allocate();
  if (!copy) return false;
  std::memcpy(copy.data(), page.data(), page_bytes_);
  page = std::move(copy);
  return true;
}

void PagePool::hold(uint32_t index) {
  const uint32_t before = slots_[index].state.fetch_add(kHold, std::memory_order_relaxed);
  if (before == kReclaimable) --reclaimable_;
}

void PagePool::release(uint32_t index) {
  const uint32_t before = slots_[index].state.fetch_sub(kHold, std::memory_order_acq_rel);
  if (before == kReclaimable + kHold) ++reclaimable_;
  if (before / kHold > 1) return;
  FATHOM_CHECK(before == kHold);  // withdrawn, if it was offered
  std::lock_guard lock(mutex_);
  free_.push_back(index);
}

void PagePool::offer(uint32_t index) {
  const uint32_t before = slots_[index].state.fetch_or(kOffered, std::memory_order_acq_rel);
  FATHOM_CHECK((before & kOffered) == 0);
  if ((before | kOffered) == kReclaimable) ++reclaimable_;
}

void PagePool::withdraw(uint32_t index) {
  const uint32_t before = slots_[index].state.fetch_and(~kOffered, std::memory_order_acq_rel);
  FATHOM_CHECK((before & kOffered) != 0);
  if (before == kReclaimable) --reclaimable_;
}

int64_t PagePool::in_use() const {
  std::lock_guard lock(mutex_);
  return made_ - static_cast<int64_t>(free_.size());
}

int64_t PagePool::available() const {
  std::lock_guard lock(mutex_);
  return capacity_ - made_ + static_cast<int64_t>(free_.size());
}

}  // namespace fathom::cache
