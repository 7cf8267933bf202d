#include "checkpoint/safetensors_header.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/strict_json.h"

namespace fathom {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

constexpr size_t kMaxRank = 8;

/// Builds the header as the JSON parser walks it: a document tree of a hundred thousand tensors
/// would take ten times the memory and time.
class HeaderEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderEvents(const std::string& path, SafetensorsHeader* header) : path_(path), header_(header) {}

  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      state_ = in_metadata_ ? State::kMetadata : State::kTensor;
      seen_dtype_ = seen_shape_ = seen_offsets_ = false;
    } else {
      misplaced("an object");
    }
    return true;
  }

  bool key(std::string& name) override {
    if (state_ == State::kTop) {
      begin_entry(name);
    } else {
      field_ = name;
    }
    return true;
  }

  bool end_object() override {
    if (state_ == State::kTensor) {
      if (!seen_dtype_ || !seen_shape_ || !seen_offsets_) {
        complain("it lacks {}", !seen_dtype_ ? "dtype" : !seen_shape_ ? "shape" : "data_offsets");
      }
      state_ = State::kTop;
    } else {
      state_ = state_ == State::kMetadata ? State::kTop : State::kDone;
    }
    return true;
  }

  bool start_array(size_t) override {
    if (state_ != State::kTensor) misplaced("an array");
    if (field_ == "shape") {
      once(&seen_shape_);
      state_ = State::kShape;
    } else if (field_ == "data_offsets") {
      once(&seen_offsets_);
      offsets_read_ = 0;
      state_ = State::kOffsets;
    } else {
      misplaced("an array");
    }
    return true;
  }

  bool end_array() override {
    if (state_ == State::kOffsets && offsets_read_ != 2) complain("data_offsets is not a pair");
    state_ = State::kTensor;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (state_ == State::kShape) {
      if (value > INT64_MAX) complain("its shape has the dimension {}", value);
      if (entry().shape.size() == kMaxRank) complain("it has more than {} dimensions", kMaxRank);
      entry().shape.push_back(static_cast<int64_t>(value));
    } else if (state_ == State::kOffsets) {
      if (offsets_read_ == 2) complain("data_offsets is not a pair");
      (offsets_read_ == 0 ? entry().begin : entry().end) = value;
      ++offsets_read_;
    } else {
      misplaced("a number");
    }
    return true;
  }

  bool number_integer(int64_t value) override {
    if (state_ == State::kShape) complain("its shape has the dimension {}", value);
    if (state_ == State::kOffsets) complain("data_offsets has the offset {}", value);
    misplaced("a number");
  }

  bool string(std::string& value) override {
    if (state_ == State::kMetadata) {
      if (!header_->metadata.emplace(field_, value).second) {
        complain("the key {} stands twice", printable(field_));
      }
      return true;
    }
    if (state_ != State::kTensor || field_ != "dtype") misplaced("a string");
    once(&seen_dtype_);
    const std::optional<DType> dtype = parse_dtype(value);
    if (!dtype) {
      fail(ErrorKind::kUnsupported, "{}: {}: unknown dtype {}", path_, printable(where_),
           printable(value));
    }
    entry().dtype = *dtype;
    return true;
  }

  bool null() override { misplaced("null"); }
  bool boolean(bool) override { misplaced("a boolean"); }
  bool number_float(double, const std::string&) override { misplaced("a fraction"); }
  bool binary(binary_t&) override { misplaced("binary data"); }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    fail(ErrorKind::kBadInput, "{}: the header is not valid JSON: {}", path_,
         json_complaint(error.what()));
  }

 private:
  enum class State { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kDone };

  HeaderEntry& entry() { return header_->entries.back(); }

  void begin_entry(const std::string& name) {
    where_ = name;
    field_.clear();
    in_metadata_ = name == "__metadata__";
    if (!in_metadata_) {
      header_->entries.emplace_back();
      entry().name = name;
    } else if (std::exchange(seen_metadata_, true)) {
      complain("it stands twice");
    }
  }

  void once(bool* seen) {
    if (std::exchange(*seen, true)) complain("{} stands twice", printable(field_));
  }

  template <typename... Args>
  [[noreturn]] void complain(fmt::format_string<Args...> format, Args&&... args) {
    fail(ErrorKind::kBadInput, "{}: header, {}: {}", path_, printable(where_),
         fmt::format(format, std::forward<Args>(args)...));
  }

  [[noreturn]] void misplaced(const char* what) {
    if (state_ == State::kStart) {
      fail(ErrorKind::kBadInput, "{}: the header is {}, expected a JSON object", path_, what);
    }
    complain("found {} where none may be ({})", what, field_.empty() ? "value" : printable(field_));
  }

  const std::string& path_;
  SafetensorsHeader* header_;
  State state_ = State::kStart;
  std::string where_;  // the tensor, or __metadata__
  std::string field_;
  bool in_metadata_ = false;
  bool seen_metadata_ = false;
  bool seen_dtype_ = false;
  bool seen_shape_ = false;
  bool seen_offsets_ = false;
  int offsets_read_ = 0;
};

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void check_names(const std::vector<HeaderEntry>& entries, const std::string& path) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].name.empty()) fail(ErrorKind::kBadInput, "{}: a tensor without a name", path);
    if (i > 0 && entries[i].name == entries[i - 1].name) {
      fail(ErrorKind::kBadInput, "{}: the header names tensor {} twice", path,
           printable(entries[i].name));
    }
  }
}

void check_extent(const HeaderEntry& entry, uint64_t data_bytes, const std::string& path) {
  if (entry.begin > entry.end) {
    fail(ErrorKind::kBadInput, "{}: tensor {} ends at byte {} of the data, before its start at {}",
         path, printable(entry.name), entry.end, entry.begin);
  }
  if (entry.end > data_bytes) {
    fail(ErrorKind::kBadInput,
         "{}: tensor {} ends at byte {} of the data, and the file holds {}: truncated or damaged",
         path, printable(entry.name), entry.end, data_bytes);
  }
  const uint64_t expected =
      static_cast<uint64_t>(count_elements(entry.shape, entry.dtype, path, entry.name)) *
      dtype_size(entry.dtype);
  if (entry.end - entry.begin != expected) {
    fail(ErrorKind::kBadInput, "{}: tensor {} has {} bytes, expected {} for {} {}", path,
         printable(entry.name), entry.end - entry.begin, expected, dtype_name(entry.dtype),
         shape_text(entry.shape));
  }
}

void check_layout(const std::vector<HeaderEntry>& entries, uint64_t data_bytes,
                  const std::string& path) {
  std::vector<const HeaderEntry*> order;
  order.reserve(entries.size());
  for (const HeaderEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const HeaderEntry* a, const HeaderEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t covered = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i]->begin < covered) {
      fail(ErrorKind::kBadInput, "{}: tensors {} and {} overlap at byte {} of the data", path,
           printable(order[i - 1]->name), printable(order[i]->name), order[i]->begin);
    }
    if (order[i]->begin > covered) {
      fail(ErrorKind::kBadInput, "{}: bytes {} to {} of the data belong to no tensor", path,
           covered, order[i]->begin);
    }
    covered = order[i]->end;
  }
  if (covered != data_bytes) {
    fail(ErrorKind::kBadInput, "{}: bytes {} to {} of the data belong to no tensor", path, covered,
         data_bytes);
  }
}

}  // namespace

int64_t count_elements(std::span<const int64_t> shape, DType dtype, const std::string& path,
                       const std::string& tensor) {
  int64_t count = 1;
  int64_t bytes = 0;
  bool overflow = false;
  for (const int64_t dim : shape) overflow |= __builtin_mul_overflow(count, dim, &count);
  overflow |= __builtin_mul_overflow(count, static_cast<int64_t>(dtype_size(dtype)), &bytes);
  if (overflow) {
    fail(ErrorKind::kBadInput, "{}: tensor {} of shape {} is too large", path, printable(tensor),
         shape_text(shape));
  }
  return count;
}

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::string& path) {
  uint64_t length = 0;
  if (file.size() < sizeof(length)) {
    fail(ErrorKind::kBadInput, "{}: {} bytes are too few for a safetensors file", path,
         file.size());
  }
  std::memcpy(&length, file.data(), sizeof(length));
  const uint64_t rest = file.size() - sizeof(length);
  if (length > rest) {
    fail(ErrorKind::kBadInput,
         "{}: the header's length is {}, and {} bytes follow: truncated, or no safetensors file",
         path, length, rest);
  }
  if (length > kMaxHeaderBytes) {
    fail(ErrorKind::kBadInput, "{}: the header's length is {}, expected at most {}", path, length,
         kMaxHeaderBytes);
  }

  SafetensorsHeader header;
  header.data_begin = sizeof(length) + length;
  const char* text = reinterpret_cast<const char*>(file.data()) + sizeof(length);
  HeaderEvents events(path, &header);
  nlohmann::json::sax_parse(text, text + length, &events);

  std::sort(header.entries.begin(), header.entries.end(),
            [](const HeaderEntry& a, const HeaderEntry& b) { return a.name < b.name; });
  check_names(header.entries, path);
  const uint64_t data_bytes = rest - length;
  for (const HeaderEntry& entry : header.entries) check_extent(entry, data_bytes, path);
  check_layout(header.entries, data_bytes, path);
  return header;
}

}  // namespace fathom
