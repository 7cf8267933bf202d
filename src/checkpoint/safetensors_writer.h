// Writes .safetensors files: docs/formats/checkpoint.md.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_system.h"
#include "tensor/dtype.h"

namespace fathom {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;

  int64_t elements() const;
  uint64_t bytes() const { return static_cast<uint64_t>(elements()) * dtype_size(dtype); }
};

using SafetensorsMetadata = std::map<std::string, std::string>;

/// Where everything goes in a file. It follows from the tensors alone: by element size, widest
/// first (so that all are aligned), then by name; the header is padded with spaces to 8 bytes.
struct SafetensorsLayout {
  std::string header;               // with its length in front: the file's first bytes
  std::vector<TensorSpec> tensors;  // in order of their place
  std::vector<uint64_t> offsets;    // in the file, one per tensor
  uint64_t file_bytes = 0;

  explicit SafetensorsLayout(std::vector<TensorSpec> tensors,
                             const SafetensorsMetadata& metadata = {{"format", "pt"}});
  /// Index into tensors; the name must be there.
  size_t find(std::string_view name) const;
};

/// Streams one file. It grows as `path`.tmp and gets its name in finish(), synced: whoever sees
/// `path` sees all of it. Destroyed before, it removes the temporary. Throws Error(kIo), naming the
/// file.
class SafetensorsWriter {
 public:
  SafetensorsWriter(io::FileSystem& files, const std::string& path, SafetensorsLayout layout);
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  ~SafetensorsWriter();

  const SafetensorsLayout& layout() const { return layout_; }

  /// A whole tensor.
  void write(std::string_view name, std::span<const std::byte> bytes);
  /// A part of tensor layout().tensors[tensor], `offset` bytes into it. Threads may write different
  /// parts at once; each byte is written exactly once.
  void write_part(size_t tensor, uint64_t offset, std::span<const std::byte> bytes);
  /// Leaves tensors that were not written as holes, which read as zero and take no disk.
  void leave_holes();
  void finish();

 private:
  io::FileSystem& files_;
  std::string path_;
  SafetensorsLayout layout_;
  std::unique_ptr<io::WritableFile> file_;
  std::atomic<uint64_t> written_ = 0;
  bool holes_ = false;
};

/// A tensor in memory, to be written as it is.
struct NamedTensor {
  TensorSpec spec;
  std::span<const std::byte> bytes;
};

/// Writes a whole file from memory.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata = {{"format", "pt"}});

}  // namespace fathom
