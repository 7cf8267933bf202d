#include "cache/context_cache.h"

#include <gtest/gtest.h>

#include "cache/cache_fixture.h"

namespace fathom::cache {
namespace {

constexpr size_t kPage = 4096;

PageRef filled(ContextCache& cache, const PageName& name) {
  PageRef page = cache.allocate();
  if (page) std::ranges::copy(page_content(name, kPage), page.data());
  return page;
}

bool right(const PageRef& page, const PageName& name) {
  return std::ranges::equal(std::span(page.data(), kPage), page_content(name, kPage));
}

TEST(PrefixKey, DependsOnModelParentAndEachId) {
  Rng rng(1);
  std::vector<int32_t> ids = random_ids(rng, kPageTokens);
  const PrefixKey key = child_key(root_key("a"), page_ids(ids, 0));
  EXPECT_EQ(key, child_key(root_key("a"), page_ids(ids, 0)));
  EXPECT_NE(key, child_key(root_key("b"), page_ids(ids, 0)));
  EXPECT_NE(key, child_key(key, page_ids(ids, 0)));
  ids[63] ^= 1;
  EXPECT_NE(key, child_key(root_key("a"), page_ids(ids, 0)));
}

TEST(ContextCache, FindsWhatWasPublishedAndEvictsTheEndOfOldChainsFirst) {
  PagePool pool(kPage, 8 * kPage);
  ContextCache cache(pool, "model", {});
  Rng rng(2);
  const auto names = page_names(cache.root(), random_ids(rng, 6 * kPageTokens));
  std::vector<PrefixKey> chain;
  for (const PageName& name : names) {
    cache.publish(name, filled(cache, name));
    chain.push_back(name.key);
  }
  cache.touch(chain);
  EXPECT_EQ(cache.available(), 8);
  std::vector<PageRef> held;
  for (int i = 0; i < 5; ++i) held.push_back(cache.allocate());
  // Three of six had to go: the last three.
  for (int i = 0; i < 6; ++i) {
    const PageRef page = cache.find(names[i].key, names[i].ids);
    EXPECT_EQ(static_cast<bool>(page), i < 3) << i;
    if (page) {
      EXPECT_TRUE(right(page, names[i]));
    }
  }
}

TEST(ContextCache, NeverEvictsAPageInUse) {
  PagePool pool(kPage, 2 * kPage);
  ContextCache cache(pool, "model", {});
  Rng rng(3);
  const auto names = page_names(cache.root(), random_ids(rng, 2 * kPageTokens));
  const PageRef used = filled(cache, names[0]);
  cache.publish(names[0], used);
  cache.publish(names[1], filled(cache, names[1]));
  const PageRef other = cache.allocate();
  EXPECT_TRUE(other);
  EXPECT_FALSE(cache.allocate());
  EXPECT_TRUE(right(used, names[0]));
}

TEST(ContextCache, ReadsBackFromDiskAfterARestart) {
  ScratchDirectory directory;
  Rng rng(4);
  std::vector<PageName> names;
  {
    PagePool pool(kPage, 20 * kPage);
    ContextCache cache(pool, "model", {.directory = directory.path()});
    names = page_names(cache.root(), random_ids(rng, 10 * kPageTokens));
    for (const PageName& name : names) cache.publish(name, filled(cache, name));
  }
  PagePool pool(kPage, 6 * kPage);
  ContextCache cache(pool, "model", {.directory = directory.path()});
  for (const PageName& name : names) EXPECT_TRUE(cache.on_disk(name.key));
  const auto load = cache.load(names);
  ASSERT_NE(load, nullptr);
  EXPECT_EQ(load->names.size(), 6u);  // what memory has room for
  cache.flush();
  ASSERT_TRUE(load->done);
  cache.finish(*load);
  for (int i = 0; i < 6; ++i) {
    const PageRef page = cache.find(names[i].key, names[i].ids);
    ASSERT_TRUE(page);
    EXPECT_TRUE(right(page, names[i]));
  }
}

TEST(ContextCache, PagesOfAnotherModelAreNotFound) {
  ScratchDirectory directory;
  Rng rng(5);
  const auto ids = random_ids(rng, kPageTokens);
  {
    PagePool pool(kPage, 20 * kPage);
    ContextCache cache(pool, "model", {.directory = directory.path()});
    const PageName name = page_names(cache.root(), ids)[0];
    cache.publish(name, filled(cache, name));
  }
  PagePool pool(kPage, 20 * kPage);
  ContextCache cache(pool, "another", {.directory = directory.path()});
  EXPECT_FALSE(cache.on_disk(page_names(cache.root(), ids)[0].key));
}

TEST(ContextCache, QueuedWritesGiveWayToSequences) {
  ScratchDirectory directory;
  PagePool pool(kPage, 4 * kPage);
  ContextCache cache(pool, "model", {.directory = directory.path()});
  Rng rng(6);
  for (int round = 0; round < 50; ++round) {
    for (const PageName& name : page_names(cache.root(), random_ids(rng, 4 * kPageTokens))) {
      PageRef page = filled(cache, name);
      if (page) cache.publish(name, page);  // empty while the disk's thread holds one
    }
  }
  cache.flush();
  EXPECT_EQ(cache.available(), 4);
}

}  // namespace
}  // namespace fathom::cache
