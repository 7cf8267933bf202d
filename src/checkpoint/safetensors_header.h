// The header of a .safetensors file: docs/formats/checkpoint.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace fathom {

/// The format's own limit on a header's length.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct HeaderEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // of the tensor's bytes, counted from SafetensorsHeader::data_begin
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<HeaderEntry> entries;  // in order of name
  std::map<std::string, std::string> metadata;
  uint64_t data_begin = 0;  // where the tensors' bytes start in the file
};

/// The number of elements. Throws Error(kBadInput), naming `path` and `tensor`, where the product
/// or its size in bytes passes 2^63.
int64_t count_elements(std::span<const int64_t> shape, DType dtype, const std::string& path,
                       const std::string& tensor);

/// Reads and checks the header of a file whose content is `file`. What it returns holds: names are
/// unique, every tensor's byte count is that of its dtype and shape, and the tensors cover the data
/// without an overlap or a hole, as the format asks. Throws Error naming `path`: kBadInput,
/// or kUnsupported for a dtype that this program does not know.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& path);

}  // namespace fathom
