#include "checkpoint/safetensors_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "checkpoint/safetensors_file.h"

namespace fathom {
namespace {

TEST(SafetensorsWriter, WritesTheBytesOfTheReferenceWriter) {
  const std::string golden =
      FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8/model-00002-of-00002.safetensors";
  const SafetensorsFile source = SafetensorsFile::open(golden);
  std::vector<NamedTensor> tensors;
  for (const TensorView& tensor : source.tensors()) {
    tensors.push_back(
        {{std::string(tensor.name), tensor.dtype, tensor.shape}, {tensor.data, tensor.bytes}});
  }
  const std::string path = testing::TempDir() + "rewritten.safetensors";
  write_safetensors(path, tensors);
  EXPECT_EQ(io::read_file(path), io::read_file(golden));
  EXPECT_FALSE(io::file_exists(path + ".tmp"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace fathom
