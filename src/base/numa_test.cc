#include "base/numa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "base/processors.h"
#include "base/thread_pool.h"

namespace fathom {
namespace {

NumaNode node(int id, int first, int count) {
  NumaNode result{id, std::vector<int>(static_cast<size_t>(count))};
  std::iota(result.processors.begin(), result.processors.end(), first);
  return result;
}

TEST(Numa, TheMachinesNodesHoldItsProcessors) {
  std::vector<int> all;
  for (const NumaNode& n : numa_nodes()) {
    all.insert(all.end(), n.processors.begin(), n.processors.end());
  }
  std::ranges::sort(all);
  EXPECT_EQ(all, allowed_processors());
}

TEST(NumaPlan, AsManyThreadsAsProcessorsTakeOneEach) {
  const NumaPlan plan(8, {node(0, 0, 4), node(2, 8, 4)});
  ASSERT_EQ(plan.nodes().size(), 2u);
  for (int t = 0; t < 8; ++t) {
    EXPECT_EQ(plan.node_of(t), t / 4);
    EXPECT_EQ(plan.processor_of(t), t < 4 ? t : t + 4);
  }
}

TEST(NumaPlan, FewerThreadsSpreadOverTheNodesAndMoreShareProcessors) {
  const std::vector<NumaNode> nodes{node(0, 0, 4), node(1, 4, 4)};
  const NumaPlan two(2, nodes);
  EXPECT_EQ(two.processor_of(0), 0);
  EXPECT_EQ(two.processor_of(1), 4);
  const NumaPlan one(1, nodes);
  EXPECT_EQ(one.nodes(), std::vector{nodes[0]});  // nothing lies where nobody works
  const NumaPlan many(20, nodes);
  EXPECT_EQ(many.threads_of(0), 10);
  EXPECT_EQ(many.threads_of(1), 10);
}

TEST(NumaPlan, PartsAreAsLargeAsTheNodesShareOfThreads) {
  for (int threads : {1, 2, 3, 5, 8, 12}) {
    const NumaPlan plan(threads, {node(0, 0, 6), node(1, 6, 1), node(3, 7, 1)});
    for (int64_t items : {0, 1, 7, 32, 1000}) {
      int64_t end = 0;
      for (int n = 0; n < std::ssize(plan.nodes()); ++n) {
        const NumaPlan::Part part = plan.part(n, items);
        EXPECT_EQ(part.begin, end);
        EXPECT_NEAR(static_cast<double>(part.size()),
                    static_cast<double>(items * plan.threads_of(n)) / threads, 1);
        for (int64_t i = part.begin; i < part.end; ++i) {
          EXPECT_EQ(plan.node_of_item(i, items), plan.nodes()[static_cast<size_t>(n)]);
        }
        end = part.end;
      }
      EXPECT_EQ(end, items);
    }
  }
}

TEST(NumaPool, EachItemOnceAndOnesOwnFirst) {
  const std::vector<NumaNode> nodes{node(0, 0, 1), node(1, 1, 1), node(2, 2, 2)};
  for (int threads : {1, 2, 3, 4, 9}) {
    ThreadPool pool(threads, nodes);
    const auto parts = pool.plan().nodes().size();
    for (int64_t items : {1, 2, 50}) {
      std::vector<int64_t> ends(parts, items);
      for (size_t n = 0; n + 1 < parts; ++n) ends[n] = items * static_cast<int64_t>(n) / 2;
      std::vector<std::atomic<int>> seen(static_cast<size_t>(items));
      std::vector<std::vector<int64_t>> taken(static_cast<size_t>(threads));
      pool.run(ends, [&](int64_t item, int thread) {
        ++seen[static_cast<size_t>(item)];
        taken[static_cast<size_t>(thread)].push_back(item);
      });
      for (const auto& count : seen) EXPECT_EQ(count, 1);
      if (items == 1 || threads == 1) continue;
      for (int t = 0; t < threads; ++t) {
        // The order of parts that a thread goes through begins with its own node's.
        int64_t at = 0;
        for (int64_t item : taken[static_cast<size_t>(t)]) {
          const auto part = std::ranges::upper_bound(ends, item) - ends.begin();
          const auto step = (part - pool.plan().node_of(t) + std::ssize(ends)) % std::ssize(ends);
          EXPECT_GE(step, at);
          at = step;
        }
      }
    }
  }
}

TEST(MemoryFrom, GoesBackToWhatWas) {
  const MemoryFrom outer(numa_nodes().front());
  { const MemoryFrom inner(numa_nodes().back()); }
  std::vector<char> memory(1 << 20, 'x');  // an allocation goes well under it
  EXPECT_EQ(memory.back(), 'x');
}

}  // namespace
}  // namespace fathom
