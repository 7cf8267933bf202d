#include "checkpoint/safetensors_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace fathom {
namespace {

constexpr uint64_t kHeaderAlignment = 8;

std::string quoted(const std::string& text) { return nlohmann::json(text).dump(); }

std::string metadata_json(const SafetensorsMetadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", quoted(key), quoted(value));
  }
  return fmt::format("\"__metadata__\":{{{}}}", text);
}

std::string temporary_name(const std::string& path) { return path + ".tmp"; }

}  // namespace

int64_t TensorSpec::elements() const {
  int64_t count = 1;
  for (const int64_t dim : shape)
    FATHOM_CHECK(dim >= 0 && !__builtin_mul_overflow(count, dim, &count));
  return count;
}

SafetensorsLayout::SafetensorsLayout(std::vector<TensorSpec> specs,
                                     const SafetensorsMetadata& metadata)
    : tensors(std::move(specs)) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorSpec& a, const TensorSpec& b) {
    const size_t size_a = dtype_size(a.dtype), size_b = dtype_size(b.dtype);
    return size_a != size_b ? size_a > size_b : a.name < b.name;
  });

  std::string json = "{" + metadata_json(metadata);
  uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const uint64_t end = offset + tensor.bytes();
    json += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        quoted(tensor.name), dtype_name(tensor.dtype), fmt::join(tensor.shape, ","),
                        offset, end);
    offsets.push_back(offset);
    offset = end;
  }
  json += "}";
  json.resize((json.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');

  static_assert(std::endian::native == std::endian::little);
  const uint64_t length = json.size();
  header.assign(reinterpret_cast<const char*>(&length), sizeof(length));
  header += json;
  for (uint64_t& place : offsets) place += header.size();
  file_bytes = header.size() + offset;
}

size_t SafetensorsLayout::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const TensorSpec& tensor) { return tensor.name == name; });
  FATHOM_CHECK(found != tensors.end());
  return static_cast<size_t>(found - tensors.begin());
}

SafetensorsWriter::SafetensorsWriter(io::FileSystem& files, const std::string& path,
                                     SafetensorsLayout layout)
    : files_(files), path_(path), layout_(std::move(layout)) {
  file_ = files_.create(temporary_name(path_));
  try {
    file_->truncate(layout_.file_bytes);
    file_->write_at(0, std::as_bytes(std::span(layout_.header)));
  } catch (...) {
    io::remove_quietly(temporary_name(path_));
    throw;
  }
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!file_) return;
  file_.reset();
  io::remove_quietly(temporary_name(path_));
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const size_t tensor = layout_.find(name);
  FATHOM_CHECK(bytes.size() == layout_.tensors[tensor].bytes());
  write_part(tensor, 0, bytes);
}

void SafetensorsWriter::write_part(size_t tensor, uint64_t offset,
                                   std::span<const std::byte> bytes) {
  FATHOM_CHECK(offset + bytes.size() <= layout_.tensors.at(tensor).bytes());
  file_->write_at(layout_.offsets[tensor] + offset, bytes);
  written_ += bytes.size();
}

void SafetensorsWriter::leave_holes() { holes_ = true; }

void SafetensorsWriter::finish() {
  FATHOM_CHECK(holes_ || written_ == layout_.file_bytes - layout_.header.size());
  file_->sync();
  files_.rename(temporary_name(path_), path_);
  file_.reset();
  files_.sync_dir(io::parent_dir(path_));
}

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata) {
  std::vector<TensorSpec> specs;
  for (const NamedTensor& tensor : tensors) specs.push_back(tensor.spec);
  SafetensorsWriter writer(io::system_files(), path, SafetensorsLayout(std::move(specs), metadata));
  for (const NamedTensor& tensor : tensors) writer.write(tensor.spec.name, tensor.bytes);
  writer.finish();
}

}  // namespace fathom
