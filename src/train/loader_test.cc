#include "train/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "train/data/corpus.h"

namespace fathom::train {
namespace {

constexpr int64_t kWindow = 64;
constexpr int32_t kWindows = 10;

/// Ten windows, each of one document of one id, which is the window's.
std::string packed_bin() {
  const std::string path = testing::TempDir() + "loader_" +
                           testing::UnitTest::GetInstance()->current_test_info()->name() + ".bin";
  std::vector<Encoded> documents;
  for (int32_t i = 0; i < kWindows; ++i) {
    documents.push_back({std::vector<int32_t>(kWindow, 10 + i), std::vector<uint8_t>(kWindow, 1)});
  }
  TokenBinWriter writer(path, 512, true);
  pack_documents(documents, kWindow, 2, 5, writer);
  writer.finish();
  return path;
}

TEST(Loader, PackedWindowsAreReadWholeInEveryEpoch) {
  Loader loader({{packed_bin(), 1}}, kWindow, 512, 3);
  for (int epoch = 0; epoch < 50; ++epoch) {
    std::set<int32_t> seen;
    for (int i = 0; i < kWindows; ++i) {
      std::vector<int32_t> ids(kWindow + 2);
      std::vector<uint8_t> mask(kWindow + 2);
      loader.next(ids.data(), mask.data());
      EXPECT_EQ(std::count(ids.begin(), ids.begin() + kWindow, ids[0]), kWindow) << "cut";
      EXPECT_EQ(std::count(mask.begin(), mask.begin() + kWindow, 1), kWindow);
      EXPECT_EQ(mask[kWindow], 0) << "another document's";
      EXPECT_EQ(mask[kWindow + 1], 0);
      seen.insert(ids[0]);
    }
    EXPECT_EQ(seen.size(), static_cast<size_t>(kWindows)) << epoch;
  }
}

TEST(Loader, SequencesTakeWholePackedWindows) {
  const std::string path = packed_bin();
  EXPECT_NO_THROW(Loader({{path, 1}}, 2 * kWindow, 512, 3));
  try {
    Loader({{path, 1}}, kWindow + 1, 512, 3);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("windows of 64"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace fathom::train
