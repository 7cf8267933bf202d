#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "base/error.h"
#include "base/processors.h"

namespace fathom {
namespace {

TEST(ThreadPool, RunsEachItemOnceWithAnyNumberOfThreads) {
  for (int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t items : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(items));
      pool.run(items, [&](int64_t item, int thread) {
        EXPECT_GE(thread, 0);
        EXPECT_LT(thread, threads);
        ++seen[static_cast<size_t>(item)];
      });
      for (const auto& count : seen) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ThreadPool, SignalsGoToTheThreadThatMadeIt) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  ThreadPool pool(3);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
  std::atomic<int> inside = 0;
  std::atomic<int> blocked = 0;
  pool.run(3, [&](int64_t, int thread) {
    sigset_t own;
    pthread_sigmask(SIG_SETMASK, nullptr, &own);
    if (thread != 0) blocked += sigismember(&own, SIGINT) == 1 && sigismember(&own, SIGTERM) == 1;
    ++inside;
    while (inside < 3) std::this_thread::yield();  // so that every thread takes one
  });
  EXPECT_EQ(blocked, 2);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need the address space
TEST(ThreadPool, ThreadsThatTheSystemDoesNotGiveAreAnError) {
  const auto with_little_memory = [] {
    const rlimit limit{size_t{1} << 30, size_t{1} << 30};  // of which a stack takes 8 MiB
    setrlimit(RLIMIT_AS, &limit);
    try {
      ThreadPool pool(1000);
    } catch (const Error& error) {
      std::exit(exit_code(error.kind()));
    }
    std::exit(0);
  };
  EXPECT_EXIT(with_little_memory(), testing::ExitedWithCode(exit_code(ErrorKind::kResource)), "");
}
#endif

TEST(ThreadPool, ManyShortJobsInAndOutOfABurst) {
  ThreadPool pool(3);
  std::vector<int64_t> cells(64);
  for (int round = 0; round < 200; ++round) {
    if (round % 2 == 0) {
      pool.run(64, [&](int64_t item, int) { ++cells[static_cast<size_t>(item)]; });
    } else {
      ThreadPool::Burst burst(pool);
      for (int i = 0; i < 10; ++i) {
        pool.run(64, [&](int64_t item, int) { ++cells[static_cast<size_t>(item)]; });
      }
    }
  }
  for (int64_t cell : cells) EXPECT_EQ(cell, 100 + 1000);
}

TEST(ThreadPool, ABurstKeepsItsThreadsApartAndLetsTheCallerGo) {
  const std::vector<int> processors = allowed_processors();
  if (processors.size() < 2) GTEST_SKIP() << "one processor";
  ThreadPool pool(static_cast<int>(processors.size()));
  {
    const ThreadPool::Burst burst(pool);
    pool.run(1, [](int64_t, int) {});
    EXPECT_EQ(allowed_processors(), processors);  // nothing was shared out yet
    const ThreadPool::Burst inner(pool);
    pool.run(1000, [&](int64_t, int thread) {
      EXPECT_EQ(sched_getcpu(), processors[static_cast<size_t>(thread)]);
    });
    EXPECT_EQ(allowed_processors(), std::vector{processors.front()});
  }
  EXPECT_EQ(allowed_processors(), processors);
  ThreadPool fewer(static_cast<int>(processors.size()) - 1);  // what it leaves may be another's
  const ThreadPool::Burst burst(fewer);
  fewer.run(2, [](int64_t, int) {});
  EXPECT_EQ(allowed_processors(), processors);
}

TEST(ThreadPool, WritesOfAJobAreSeenAfterIt) {
  ThreadPool pool(2);
  std::vector<int64_t> data(4096);
  for (int64_t round = 1; round <= 50; ++round) {
    pool.run(4096, [&](int64_t item, int) { data[static_cast<size_t>(item)] = round; });
    EXPECT_EQ(std::accumulate(data.begin(), data.end(), int64_t{0}), 4096 * round);
  }
}

}  // namespace
}  // namespace fathom
