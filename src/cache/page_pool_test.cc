#include "cache/page_pool.h"

#include <gtest/gtest.h>

#include <cstring>
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
