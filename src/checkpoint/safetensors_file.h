// One .safetensors file, mapped: a checkpoint's shard, or a file of results.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/mapped_file.h"
#include "tensor/dtype.h"

namespace fathom {

/// One tensor of a file. `name` and `data` live as long as the file object (or the Checkpoint) that
/// gave it; nothing is read from disk before somebody touches `data`. `data` is aligned to its
/// element size: a tensor that lies unaligned in its file was copied to memory when the file was
/// opened.
struct TensorView {
  std::string_view name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
  int shard = 0;  // index into Checkpoint::shards(); 0 in a file by itself

  int64_t elements() const { return static_cast<int64_t>(bytes / dtype_size(dtype)); }
  /// Elements as T, which must have the size of the dtype's.
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(data), bytes / sizeof(T)};
  }
};

/// "F8_E4M3 [128, 7168]", for messages.
std::string describe(const TensorView& tensor);
std::string describe(DType dtype, std::span<const int64_t> shape);

/// Opening reads and checks the header only. Movable; views stay valid.
class SafetensorsFile {
 public:
  /// Throws Error: kNotFound, kIo, or what parse_safetensors_header throws.
  static SafetensorsFile open(const std::string& path);
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::string& path() const;
  const std::map<std::string, std::string>& metadata() const;
  const io::MappedFile& mapping() const;
  /// In order of name.
  std::span<const TensorView> tensors() const;
  /// Null when there is none of that name.
  const TensorView* find(std::string_view name) const;
  /// Throws Error(kBadInput) naming file and tensor when there is none.
  const TensorView& get(std::string_view name) const;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fathom
