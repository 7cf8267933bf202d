#include "cache/disk_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>

#include "base/error.h"
#include "cache/cache_fixture.h"

namespace fathom::cache {
namespace {

constexpr size_t kPage = 5000;

bool long_tests() { return std::getenv("FATHOM_LONG_TESTS") != nullptr; }

/// A name that depends on `seed` alone.
PageName name_of(uint64_t seed) {
  Rng rng(seed);
  return page_names(root_key("model"), random_ids(rng, kPageTokens))[0];
}

bool holds(DiskStore& store, const PageName& name, size_t bytes = kPage) {
  std::vector<std::byte> page(bytes);
  if (!store.get(name, page)) return false;
  EXPECT_EQ(page, page_content(name, bytes)) << "a wrong page was taken for right";
  return true;
}

TEST(DiskStore, KeepsPagesAcrossRestarts) {
  ScratchDirectory directory;
  {
    DiskStore store(directory.path(), {});
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(store.put(name_of(i), page_content(name_of(i), kPage)));
    }
  }
  DiskStore store(directory.path(), {});
  EXPECT_EQ(store.stats().entries, 20);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(holds(store, name_of(i)));
  EXPECT_FALSE(holds(store, name_of(20)));
}

TEST(DiskStore, AnEntryOfOtherTokensParentOrSizeIsAMiss) {
  ScratchDirectory directory;
  DiskStore store(directory.path(), {});
  const auto put = [&](uint64_t i) { store.put(name_of(i), page_content(name_of(i), kPage)); };
  put(1);
  PageName collision = name_of(1);  // as if another prefix had the same hash
  collision.ids[63] ^= 1;
  EXPECT_FALSE(holds(store, collision));
  put(1);
  collision = name_of(1);
  collision.parent.bytes[0] ^= 1;
  EXPECT_FALSE(holds(store, collision));
  put(1);
  EXPECT_FALSE(holds(store, name_of(1), kPage + 1));
  EXPECT_EQ(store.stats().damaged, 3);
}

TEST(DiskStore, ASecondOpenIsRefused) {
  ScratchDirectory directory;
  DiskStore store(directory.path(), {});
  try {
    DiskStore second(directory.path(), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
    EXPECT_NE(std::string(error.what()).find(directory.path()), std::string::npos);
  }
}

TEST(DiskStore, TheLeastRecentlyUsedGoesFirstAndTheBudgetHolds) {
  ScratchDirectory directory;
  const uint64_t budget = 10 * (kPage + 400);
  {
    DiskStore store(directory.path(), {.budget_bytes = budget});
    for (int i = 0; i < 10; ++i) store.put(name_of(i), page_content(name_of(i), kPage));
    const PrefixKey first = name_of(0).key;
    store.touch({&first, 1});
    for (int i = 10; i < 15; ++i) store.put(name_of(i), page_content(name_of(i), kPage));
    EXPECT_LE(store.stats().bytes, static_cast<int64_t>(budget));
    EXPECT_TRUE(store.contains(name_of(0).key));
    EXPECT_FALSE(store.contains(name_of(1).key));
    EXPECT_TRUE(store.contains(name_of(14).key));
  }
  DiskStore smaller(directory.path(), {.budget_bytes = budget / 2});
  EXPECT_LE(smaller.stats().bytes, static_cast<int64_t>(budget / 2));
  EXPECT_TRUE(holds(smaller, name_of(14)));
}

TEST(DiskStore, TheFileStaysNearItsBudgetUnderChurn) {
  ScratchDirectory directory;
  const size_t page = 200'000;
  const uint64_t budget = 20 * page;
  {
    DiskStore store(directory.path(), {.budget_bytes = budget});
    for (int i = 0; i < 200; ++i) store.put(name_of(i), page_content(name_of(i), page));
    EXPECT_TRUE(holds(store, name_of(199), page));
  }
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory.path())) {
    bytes += file.file_size();
  }
  EXPECT_LE(bytes, 2 * budget);
}

// As many rows as a query of the file gives.
int64_t count_rows(const std::string& file, const char* sql) {
  sqlite3* db = nullptr;
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_open(file.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr), SQLITE_OK);
  int64_t rows = 0;
  while (sqlite3_step(statement) == SQLITE_ROW) ++rows;
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return rows;
}

TEST(DiskStore, AFullDeviceTakesNothingAway) {
  ScratchDirectory directory;
  const DiskOptions options{.budget_bytes = 20 * kPage};
  const auto put = [](DiskStore& store, uint64_t i) {
    return store.put(name_of(i), page_content(name_of(i), kPage));
  };
  {
    DiskStore store(directory.path(), options);
    for (uint64_t i = 0; i < 30; ++i) put(store, i);
    const int64_t entries = store.stats().entries;
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit full = before;
    full.rlim_cur = 4096;
    setrlimit(RLIMIT_FSIZE, &full);
    int taken = 0;
    for (uint64_t i = 100; i < 110; ++i) taken += put(store, i);
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(taken, 0);
    EXPECT_EQ(store.stats().entries, entries);
    for (uint64_t i = 29; i > 29 - static_cast<uint64_t>(entries); --i) {
      EXPECT_TRUE(holds(store, name_of(i))) << i;
    }
    for (uint64_t i = 0; i < 30; ++i) EXPECT_TRUE(put(store, i));
  }
  const std::string file = directory.path() + "/context-cache.sqlite";
  EXPECT_EQ(count_rows(file, "SELECT id FROM page"), count_rows(file, "SELECT key FROM prefix"));
  EXPECT_GT(count_rows(file, "SELECT id FROM page"), 10);
}

TEST(DiskStore, EntriesExpire) {
  ScratchDirectory directory;
  int64_t now = 1'000'000'000;
  DiskStore store(directory.path(), {.ttl = std::chrono::seconds(100), .now = [&] { return now; }});
  store.put(name_of(0), page_content(name_of(0), kPage));
  store.put(name_of(1), page_content(name_of(1), kPage));
  now += 60'000'000;
  const PrefixKey used = name_of(1).key;
  store.touch({&used, 1});
  now += 60'000'000;
  store.put(name_of(2), page_content(name_of(2), kPage));
  EXPECT_FALSE(store.contains(name_of(0).key));
  EXPECT_TRUE(store.contains(name_of(1).key));
}

TEST(DiskStore, WhatIsNoStoreIsBegunAnew) {
  ScratchDirectory directory;
  std::ofstream(directory.path() + "/context-cache.sqlite") << std::string(10'000, 'x');
  DiskStore store(directory.path(), {});
  EXPECT_EQ(store.stats().rebuilt, 1);
  EXPECT_TRUE(store.put(name_of(0), page_content(name_of(0), kPage)));
  EXPECT_TRUE(holds(store, name_of(0)));
}

TEST(DiskStore, ADirectoryThatCannotBeMadeIsAnError) {
  try {
    DiskStore store("/proc/nowhere/cache", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
  }
}

// Flips one random bit of one of the store's files at a time. Each page is then whole or a miss,
// and the store goes on taking pages.
TEST(DiskStore, FlippedBitsAreMisses) {
  const int flips = long_tests() ? 1000 : 60;
  ScratchDirectory original, damaged;
  constexpr int kPages = 30;
  {
    DiskStore store(original.path(), {});
    for (int i = 0; i < kPages; ++i) store.put(name_of(i), page_content(name_of(i), kPage));
  }
  Rng rng(1);
  int missed = 0;
  for (int flip = 0; flip < flips; ++flip) {
    namespace fs = std::filesystem;
    fs::copy(original.path(), damaged.path(),
             fs::copy_options::overwrite_existing | fs::copy_options::recursive);
    const std::string path = damaged.path() + "/context-cache.sqlite";
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(rng.below(fs::file_size(path)));
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ (1 << rng.below(8))));
    file.close();

    DiskStore store(damaged.path(), {});
    for (int i = 0; i < kPages; ++i) missed += !holds(store, name_of(i));
    EXPECT_TRUE(store.put(name_of(100), page_content(name_of(100), kPage)));
    EXPECT_TRUE(holds(store, name_of(100)));
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(path + suffix);
  }
  EXPECT_GT(missed, 0);
}

// A process that writes is killed at random moments; each next one opens the store, finds right
// pages or none, and among them all that had been written when the kill came.
TEST(DiskStore, SurvivesKills) {
  const int kills = long_tests() ? 200 : 8;
  ScratchDirectory directory;
  Rng rng(2);
  uint64_t written = 0;
  for (int round = 0; round < kills; ++round) {
    int progress[2];
    ASSERT_EQ(pipe(progress), 0);
    const pid_t child = fork();
    if (child == 0) {
      DiskStore store(directory.path(), {});
      for (uint64_t i = written;; ++i) {
        store.put(name_of(i), page_content(name_of(i), kPage));
        if (write(progress[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    }
    close(progress[1]);
    uint64_t last;
    ASSERT_EQ(read(progress[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
    usleep(static_cast<useconds_t>(rng.below(20'000)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    for (uint64_t i; read(progress[0], &i, sizeof i) == sizeof i;) last = i;
    close(progress[0]);

    DiskStore store(directory.path(), {});
    EXPECT_EQ(store.stats().rebuilt, 0);
    for (uint64_t i = written; i <= last; ++i) EXPECT_TRUE(holds(store, name_of(i))) << i;
    for (uint64_t i = last + 1; i < last + 5; ++i) holds(store, name_of(i));
    EXPECT_EQ(store.stats().damaged, 0);
    written = last + 1;
  }
}

}  // namespace
}  // namespace fathom::cache
