#include "train/token_bin.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace fathom::train {
namespace {

std::string scratch(const std::string& name) { return testing::TempDir() + name; }

void round_trip(uint32_t vocab, bool with_mask) {
  const std::string path = scratch("tokens_" + std::to_string(vocab) + ".bin");
  const std::vector<int32_t> ids = {0, 1, static_cast<int32_t>(vocab) - 1, 7};
  const std::vector<uint8_t> mask = {0, 1, 1, 0};
  TokenBinWriter writer(path, vocab, with_mask);
  if (with_mask) {
    writer.append(ids, mask);
  } else {
    writer.append(ids);
  }
  writer.finish();

  const TokenBin bin = TokenBin::open(path);
  EXPECT_EQ(bin.vocab(), vocab);
  ASSERT_EQ(bin.size(), ids.size());
  EXPECT_EQ(bin.has_mask(), with_mask);
  std::vector<int32_t> got(3);
  bin.read(1, got);
  EXPECT_EQ(got, std::vector<int32_t>(ids.begin() + 1, ids.end()));
  std::vector<uint8_t> got_mask(4);
  bin.read_mask(0, got_mask);
  EXPECT_EQ(got_mask, with_mask ? mask : std::vector<uint8_t>(4, 1));
}

TEST(TokenBin, RoundTrip) {
  round_trip(4096, false);
  round_trip(4096, true);
  round_trip(129280, true);
}

TEST(TokenBin, AnUnfinishedWriterLeavesNothing) {
  const std::string path = scratch("unfinished.bin");
  { TokenBinWriter writer(path, 100, true); }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(TokenBin, RefusesWhatBreaksTheFormat) {
  const std::string path = scratch("broken.bin");
  EXPECT_THROW(TokenBin::open(scratch("none.bin")), Error);
  std::ofstream(path) << "short";
  EXPECT_THROW(TokenBin::open(path), Error);

  TokenBinWriter writer(path, 10, false);
  writer.append(std::vector<int32_t>{1, 2, 3});
  writer.finish();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 2);
  EXPECT_THROW(TokenBin::open(path), Error);
}

}  // namespace
}  // namespace fathom::train
