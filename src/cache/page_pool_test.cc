#include "cache/page_pool.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace fathom::cache {
namespace {

TEST(PagePool, GivesZeroedPagesUpToItsBudget) {
  PagePool pool(100, 3 * 128 + 5);
  EXPECT_EQ(pool.capacity(), 3);
  std::vector<PageRef> pages;
  for (int i = 0; i < 3; ++i) {
    pages.push_back(pool.allocate());
    ASSERT_TRUE(pages.back());
    for (int b = 0; b < 100; ++b) ASSERT_EQ(pages.back().data()[b], std::byte{0});
    std::memset(pages.back().data(), 0xAA, 100);
  }
  EXPECT_FALSE(pool.allocate());
  EXPECT_EQ(pool.available(), 0);
  pages.pop_back();
  PageRef again = pool.allocate();
  ASSERT_TRUE(again);
  for (int b = 0; b < 100; ++b) ASSERT_EQ(again.data()[b], std::byte{0});
}

int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Of the size that the full model's pages have: no huge page's multiple.
TEST(PagePool, ItsPagesTakeNoMoreMemoryThanTheBudget) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's memory counts too";
#endif
  constexpr size_t kPage = 4'600'000;
  constexpr size_t kBudget = 12 * kPage;
  PagePool pool(kPage, kBudget);
  std::vector<PageRef> pages(static_cast<size_t>(pool.capacity()));
  const int64_t before = resident_bytes();
  for (PageRef& page : pages) {
    page = pool.allocate();
    std::memset(page.data(), 0xAA, kPage);
  }
  const int64_t taken = resident_bytes() - before;
  EXPECT_GE(taken, static_cast<int64_t>(kBudget - kHugePage));
  EXPECT_LE(taken, static_cast<int64_t>(kBudget + kHugePage));
}

/// The line "VmFlags" of the mapping that `address` lies in.
std::string mapping_flags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      inside = begin <= wanted && wanted < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + ' ';
    }
  }
  return "";
}

TEST(PagePool, AsksForHugePages) {
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) GTEST_SKIP() << "no such";
  PagePool pool(64, 1 << 20);
  const PageRef page = pool.allocate();
  EXPECT_NE(mapping_flags(page.data()).find(" hg "), std::string::npos);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(page.data()) % kHugePage, 0u);
}

TEST(PagePool, RefusesABudgetBelowOnePage) { EXPECT_THROW(PagePool(1000, 999), Error); }

TEST(PagePool, CopiesOnWriteOnlyWhatIsShared) {
  PagePool pool(64, 2 * 64);
  PageRef a = pool.allocate();
  a.data()[5] = std::byte{7};
  std::byte* const memory = a.data();
  ASSERT_TRUE(pool.make_writable(a));
  EXPECT_EQ(a.data(), memory);
  PageRef b = a;
  EXPECT_FALSE(a.unique());
  ASSERT_TRUE(pool.make_writable(b));
  EXPECT_NE(b.data(), memory);
  EXPECT_EQ(b.data()[5], std::byte{7});
  EXPECT_TRUE(a.unique() && b.unique());
  PageRef c = a;
  EXPECT_FALSE(pool.make_writable(c));
  EXPECT_TRUE(c.same_page(a));
}

TEST(PagePool, CountsWhatIsOfferedAndHeldByNobodyElse) {
  PagePool pool(64, 4 * 64);
  PageRef cached = pool.allocate();
  const PageRef other = pool.allocate();
  EXPECT_EQ(pool.reclaimable(), 0);
  {
    const PageRef reader = cached;
    cached.offer();
    EXPECT_EQ(pool.reclaimable(), 0);
  }
  EXPECT_EQ(pool.reclaimable(), 1);
  {
    const PageRef reader = cached, another = reader;
    EXPECT_EQ(pool.reclaimable(), 0);
    EXPECT_FALSE(cached.unique());
  }
  EXPECT_EQ(pool.reclaimable(), 1);
  EXPECT_TRUE(cached.unique());
  cached.withdraw();
  EXPECT_EQ(pool.reclaimable(), 0);
  cached = {};
  EXPECT_EQ(pool.in_use(), 1);
  // The next to hold that page did not offer it.
  cached = pool.allocate();
  EXPECT_EQ(pool.reclaimable(), 0);
}

TEST(PagePool, CountsReclaimablePagesWhileManyThreadsReadThem) {
  PagePool pool(64, 64 * 64);
  std::vector<PageRef> cached;
  for (int i = 0; i < 8; ++i) {
    cached.push_back(pool.allocate());
    cached.back().offer();
  }
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([copies = cached]() mutable {
      for (int i = 0; i < 5000; ++i) {
        const PageRef mine = copies[static_cast<size_t>(i) % copies.size()];
      }
      copies.clear();
    });
  }
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(pool.reclaimable(), 8);
  for (PageRef& page : cached) page.withdraw();
  EXPECT_EQ(pool.reclaimable(), 0);
}

TEST(PagePool, CountsHoldsFromManyThreads) {
  PagePool pool(64, 64 * 64);
  PageRef shared = pool.allocate();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, copy = shared] {
      for (int i = 0; i < 2000; ++i) {
        PageRef mine = pool.allocate();
        PageRef other = copy;
        ASSERT_TRUE(mine && other);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.in_use(), 1);
  EXPECT_TRUE(shared.unique());
}

}  // namespace
}  // namespace fathom::cache
