#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/error.h"
#include "checkpoint/expected_tensors.h"
#include "checkpoint/strict_json.h"

namespace fathom {
namespace {

/// Written by old versions of the reference: computed, never read.
bool is_ignored(std::string_view name) { return name.ends_with(".rotary_emb.inv_freq"); }

class Checker {
 public:
  explicit Checker(std::span<const TensorView> tensors)
      : tensors_(tensors), known_(tensors.size(), false) {}

  void expect(const ExpectedTensor& expected) {
    const TensorView* found = take(expected.name);
    if (!found) {
      if (!expected.optional) {
        add(TensorProblem::Kind::kMissing, expected.name, "missing, expected shape {}",
            fmt::format("[{}]", fmt::join(expected.shape, ", ")));
      }
      return;
    }
    if (!expected.allows(found->dtype)) {
      const char* others =
          expected.quantized_as_published() ? "F8_E4M3, BF16 or F32" : "BF16 or F32";
      add(TensorProblem::Kind::kWrong, expected.name, "has dtype {}, expected {}",
          dtype_name(found->dtype), others);
    }
    if (found->shape != expected.shape) {
      add(TensorProblem::Kind::kWrong, expected.name, "has shape [{}], expected [{}]",
          fmt::join(found->shape, ", "), fmt::join(expected.shape, ", "));
    }
    if (found->dtype == DType::kF8E4M3 && expected.shape.size() == 2) expect_scale(expected);
  }

  std::vector<TensorProblem> finish() && {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (known_[i] || is_ignored(tensors_[i].name)) continue;
      add(TensorProblem::Kind::kUnexpected, tensors_[i].name, "unexpected: {}",
          describe(tensors_[i]));
    }
    return std::move(problems_);
  }

 private:
  void expect_scale(const ExpectedTensor& weight) {
    const std::string name = weight.name + std::string(kScaleSuffix);
    const std::vector<int64_t> shape = scale_shape(weight.shape);
    const TensorView* found = take(name);
    if (!found) {
      add(TensorProblem::Kind::kMissing, name,
          "missing, expected F32 [{}] beside its F8_E4M3 weight", fmt::join(shape, ", "));
    } else if (found->dtype != DType::kF32 || found->shape != shape) {
      add(TensorProblem::Kind::kWrong, name, "is {}, expected F32 [{}]", describe(*found),
          fmt::join(shape, ", "));
    }
  }

  const TensorView* take(std::string_view name) {
    const auto found = std::lower_bound(
        tensors_.begin(), tensors_.end(), name,
        [](const TensorView& tensor, std::string_view wanted) { return tensor.name < wanted; });
    if (found == tensors_.end() || found->name != name) return nullptr;
    known_[static_cast<size_t>(found - tensors_.begin())] = true;
    return &*found;
  }

  template <typename... Args>
  void add(TensorProblem::Kind kind, std::string_view tensor, fmt::format_string<Args...> format,
           Args&&... args) {
    problems_.push_back(
        {kind, std::string(tensor), fmt::format(format, std::forward<Args>(args)...)});
  }

  std::span<const TensorView> tensors_;
  std::vector<bool> known_;
  std::vector<TensorProblem> problems_;
};

bool is_finite(uint32_t bits) { return (bits & 0x7F800000u) != 0x7F800000u; }

}  // namespace

std::vector<TensorProblem> check_tensors(const ModelConfig& config,
                                         std::span<const TensorView> tensors) {
  Checker checker(tensors);
  for (const ExpectedTensor& expected : expected_tensors(config)) checker.expect(expected);
  return std::move(checker).finish();
}

void require_no_problems(std::span<const TensorProblem> problems, const std::string& origin) {
  if (problems.empty()) return;
  const std::string more =
      problems.size() == 1 ? "" : fmt::format(" (and {} more)", problems.size() - 1);
  fail(ErrorKind::kBadInput, "{}: tensor {}: {}{}", origin, printable(problems[0].tensor),
       problems[0].message, more);
}

void check_scales(const TensorView& scale, const std::string& origin) {
  FATHOM_CHECK(scale.dtype == DType::kF32);
  const std::span<const uint32_t> bits = scale.as<uint32_t>();
  bool all_finite = true;  // no early exit: the loop then runs at memory speed
  for (const uint32_t value : bits) all_finite &= is_finite(value);
  if (all_finite) return;
  const size_t at =
      static_cast<size_t>(std::find_if_not(bits.begin(), bits.end(), is_finite) - bits.begin());
  const size_t columns = scale.shape.empty() ? 1 : static_cast<size_t>(scale.shape.back());
  fail(ErrorKind::kBadInput,
       "{}: tensor {}: the scale of block [{}, {}] is {}, expected a finite number", origin,
       printable(scale.name), at / columns, at % columns, std::bit_cast<float>(bits[at]));
}

}  // namespace fathom
