#include "checkpoint/safetensors_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "checkpoint/safetensors_header.h"
#include "checkpoint/strict_json.h"
#include "tensor/buffer.h"

namespace fathom {

struct SafetensorsFile::State {
  io::MappedFile mapping;
  SafetensorsHeader header;  // owns the names
  std::vector<TensorView> tensors;
  std::vector<Buffer> realigned;
};

std::string describe(DType dtype, std::span<const int64_t> shape) {
  return fmt::format("{} [{}]", dtype_name(dtype), fmt::join(shape, ", "));
}

std::string describe(const TensorView& tensor) { return describe(tensor.dtype, tensor.shape); }

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->mapping = io::MappedFile::open(path);
  state->header = parse_safetensors_header(state->mapping.bytes(), path);
  const std::byte* data = state->mapping.bytes().data() + state->header.data_begin;
  state->tensors.reserve(state->header.entries.size());
  for (const HeaderEntry& entry : state->header.entries) {
    TensorView view{.name = entry.name,
                    .dtype = entry.dtype,
                    .shape = entry.shape,
                    .data = data + entry.begin,
                    .bytes = entry.end - entry.begin};
    if (reinterpret_cast<uintptr_t>(view.data) % dtype_size(view.dtype) != 0) {
      state->realigned.emplace_back(view.bytes);
      std::memcpy(state->realigned.back().data(), view.data, view.bytes);
      view.data = state->realigned.back().data();
    }
    state->tensors.push_back(std::move(view));
  }
  return SafetensorsFile(std::move(state));
}

const std::string& SafetensorsFile::path() const { return state_->mapping.path(); }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const {
  return state_->header.metadata;
}
const io::MappedFile& SafetensorsFile::mapping() const { return state_->mapping; }
std::span<const TensorView> SafetensorsFile::tensors() const { return state_->tensors; }

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto& tensors = state_->tensors;
  const auto found = std::lower_bound(
      tensors.begin(), tensors.end(), name,
      [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

const TensorView& SafetensorsFile::get(std::string_view name) const {
  const TensorView* found = find(name);
  if (!found) fail(ErrorKind::kBadInput, "{}: tensor {} is missing", path(), printable(name));
  return *found;
}

}  // namespace fathom
