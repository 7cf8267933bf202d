#include "weights/fingerprint.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "checkpoint/synth.h"
#include "io/file_system.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

/// A model of more tensors than a sample of the experts takes, in one shard, and a copy of it.
class FingerprintTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = fs::temp_directory_path() / ("fathom-fingerprint-" + std::to_string(getpid()));
    const std::string path = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8/config.json";
    ModelConfig config = ModelConfig::parse(io::read_file(path), path);
    config.n_routed_experts = 128;
    synth_checkpoint(config, (root_ / "one").string(), {});
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }
  void SetUp() override {
    fs::remove_all(copy_);
    fs::copy(root_ / "one", copy_);
  }

  static Checkpoint open(const fs::path& dir) { return Checkpoint::open(dir.string()); }

  /// Turns the sign of every second byte of a tensor of the copy, its size and its name the same.
  void change(const std::string& name) {
    const fs::path shard = copy_ / open(copy_).shards().at(0);
    std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
    uint64_t size = 0;
    file.read(reinterpret_cast<char*>(&size), sizeof size);
    std::string header(size, '\0');
    file.read(header.data(), static_cast<std::streamsize>(size));
    const auto offsets = nlohmann::json::parse(header)[name]["data_offsets"];
    std::string bytes(offsets[1].get<size_t>() - offsets[0].get<size_t>(), '\0');
    const auto at = static_cast<std::streamoff>(8 + size + offsets[0].get<size_t>());
    file.seekg(at).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    for (size_t i = 1; i < bytes.size(); i += 2) bytes[i] = static_cast<char>(bytes[i] ^ 0x80);
    file.seekp(at).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  inline static fs::path root_;
  const fs::path copy_ = root_ / "copy";
};

TEST_F(FingerprintTest, IsThatOfACopyWhoseFilesAreOthers) {
  const Checkpoint one = open(root_ / "one"), copy = open(copy_);
  EXPECT_GT(one.tensors().size(), 512u);
  EXPECT_EQ(weights_fingerprint(one), weights_fingerprint(copy));
  EXPECT_EQ(weights_files(one), weights_files(open(root_ / "one")));
  EXPECT_NE(weights_files(one), weights_files(copy));
}

TEST_F(FingerprintTest, TellsOneChangedMatrixOfAttention) {
  const std::string before = weights_fingerprint(open(copy_));
  for (const char* name : {"o_proj", "kv_a_proj_with_mqa"}) {
    SetUp();
    change(std::string("model.layers.1.self_attn.") + name + ".weight");
    EXPECT_NE(weights_fingerprint(open(copy_)), before) << name;
  }
}

TEST_F(FingerprintTest, FilesAreOthersWhereAnythingWasWritten) {
  const std::string before = weights_files(open(copy_));
  const fs::path shard = copy_ / open(copy_).shards().at(0);
  fs::last_write_time(shard, fs::last_write_time(shard) + std::chrono::seconds(1));
  EXPECT_NE(weights_files(open(copy_)), before);
}

}  // namespace
}  // namespace fathom
