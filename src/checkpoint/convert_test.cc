#include "checkpoint/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/checkpoint_dir.h"
#include "io/faulty_file_system.h"

namespace fathom {
namespace {
namespace fs = std::filesystem;

const std::string kFp8 = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8";
const std::string kBf16 = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-bf16";

class Convert : public testing::Test {
 protected:
  Convert() : dir_(fs::temp_directory_path() / ("fathom-convert-" + std::to_string(getpid()))) {
    fs::remove_all(dir_);
  }
  ~Convert() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }

  fs::path dir_;
};

void expect_same_tensors(const std::string& got_dir, const std::string& want_dir) {
  const Checkpoint got = Checkpoint::open(got_dir), want = Checkpoint::open(want_dir);
  ASSERT_EQ(got.tensors().size(), want.tensors().size());
  for (const TensorView& expected : want.tensors()) {
    const TensorView& tensor = got.get(expected.name);
    ASSERT_EQ(describe(tensor), describe(expected)) << expected.name;
    ASSERT_EQ(std::memcmp(tensor.data, expected.data, expected.bytes), 0) << expected.name;
    EXPECT_EQ(got.shards()[static_cast<size_t>(tensor.shard)],
              want.shards()[static_cast<size_t>(expected.shard)]);
  }
  EXPECT_EQ(got.config().to_json(), want.config().to_json());
}

TEST_F(Convert, GoldenFp8BecomesGoldenBf16ByteForByte) {
  const ConvertSummary summary = convert_checkpoint(kFp8, path("bf16"), {DType::kBF16, 2, {}});
  EXPECT_EQ(summary.shards, 2);
  expect_same_tensors(path("bf16"), kBf16);
  EXPECT_FALSE(fs::exists(dir_ / "bf16/.fathom-convert.json"));
  EXPECT_TRUE(fs::exists(dir_ / "bf16/README.md"));
}

TEST_F(Convert, ToFp8AndBackChangesNoWeightTwice) {
  convert_checkpoint(kBf16, path("fp8"), {DType::kF8E4M3, 2, {}});
  EXPECT_TRUE(Checkpoint::open(path("fp8")).config().fp8);
  convert_checkpoint(path("fp8"), path("bf16"), {DType::kBF16, 2, {}});
  EXPECT_EQ(Checkpoint::open(path("bf16")).tensors().size(),
            Checkpoint::open(kBf16).tensors().size());
}

TEST_F(Convert, RefusesADirectoryThatHoldsAModel) {
  convert_checkpoint(kFp8, path("a"), {DType::kBF16, 1, {}});
  try {
    convert_checkpoint(kFp8, path("a"), {DType::kBF16, 1, {}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
  }
}

TEST_F(Convert, RefusesADirectoryThatSomebodyWritesTo) {
  ConvertOptions options{DType::kBF16, 1, {}};
  int refused = 0;
  options.progress = [&](uint64_t, uint64_t) {
    if (refused > 0) return;
    try {
      convert_checkpoint(kFp8, path("a"), {DType::kBF16, 1, {}});
    } catch (const Error& error) {
      refused += error.kind() == ErrorKind::kConflict ? 1 : 0;
    }
  };
  convert_checkpoint(kFp8, path("a"), options);
  EXPECT_EQ(refused, 1);
  expect_same_tensors(path("a"), kBf16);
  EXPECT_FALSE(fs::exists(dir_ / "a" / kWriteLockName));
}

// Converts kFp8's shape as far as a kill after the first shard leaves it: journal and one shard.
void convert_one_shard(const std::string& source, const std::string& target) {
  ConvertOptions stop_late{DType::kBF16, 1, {}};
  struct Killed {};
  const auto total = fs::file_size(kBf16 + "/model-00001-of-00002.safetensors");
  stop_late.progress = [&](uint64_t done, uint64_t) {
    if (done > total + 100000) throw Killed();
  };
  EXPECT_THROW(convert_checkpoint(source, target, stop_late), Killed);
}

TEST_F(Convert, GoesOnAfterAKillAndKeepsWholeShards) {
  convert_one_shard(kFp8, path("b"));
  EXPECT_TRUE(fs::exists(dir_ / "b/model-00001-of-00002.safetensors"));
  EXPECT_FALSE(fs::exists(dir_ / "b/model-00002-of-00002.safetensors"));
  EXPECT_FALSE(fs::exists(dir_ / "b/config.json"));
  EXPECT_EQ(convert_checkpoint(kFp8, path("b"), {DType::kBF16, 1, {}}).kept, 1);
  expect_same_tensors(path("b"), kBf16);
}

TEST_F(Convert, DoesNotGoOnWithAnotherModelOfTheSameName) {
  fs::create_directories(dir_);
  fs::copy(kFp8, dir_ / "source");
  convert_one_shard(path("source"), path("b"));
  // The same place by another name is the same source.
  fs::create_directory_symlink(dir_ / "source", dir_ / "link");
  convert_one_shard(path("link"), path("b"));

  const fs::path shard = dir_ / "source/model-00001-of-00002.safetensors";
  fs::last_write_time(shard, fs::last_write_time(shard) + std::chrono::seconds(1));
  try {
    convert_checkpoint(path("source"), path("b"), {DType::kBF16, 1, {}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
  }
}

TEST_F(Convert, TakesADirectoryWhoseNameIsNotUtf8) {
  fs::create_directories(dir_);
  fs::copy(kFp8, dir_ / "caf\xe9");
  convert_checkpoint(path("caf\xe9"), path("b"), {DType::kBF16, 1, {}});
  expect_same_tensors(path("b"), kBf16);
}

TEST_F(Convert, CarriesOverFilesOfAnyLength) {
  fs::create_directories(dir_);
  fs::copy(kFp8, dir_ / "source");
  std::ofstream(dir_ / "source/pytorch_model.bin").close();
  fs::resize_file(dir_ / "source/pytorch_model.bin", uint64_t{3} << 29);  // a hole
  io::FaultyFileSystem files;
  files.set_disk_bytes(20'000'000);  // so that not all of it is written here
  try {
    convert_checkpoint(path("source"), path("b"), {DType::kBF16, 1, {}}, files);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("pytorch_model.bin.tmp: cannot write: No space"));
  }
}

}  // namespace
}  // namespace fathom
