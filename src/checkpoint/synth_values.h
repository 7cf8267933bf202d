// Random weights that keep activations sane, each a function of its seed, tensor name and place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "checkpoint/expected_tensors.h"
#include "tensor/dtype.h"

namespace fathom {

/// The values of one tensor. Any part can be made alone, so threads may share the work.
class SynthValues {
 public:
  /// A part must start at a multiple of so many elements.
  static constexpr int64_t kGranule = 4096;

  /// Normal values. Matrices: mean 0, std 1 / sqrt(cols), so that unit inputs give unit outputs;
  /// embedding: std 1; norms: 1 with std 0.05; the gate's bias: std 0.02.
  SynthValues(const ExpectedTensor& tensor, DType dtype, uint64_t seed);

  /// Elements from `first` on, in dtype (F8_E4M3, BF16 or F32), as many as fit `out`.
  void fill(int64_t first, std::span<std::byte> out) const;

  /// The scales of the F8_E4M3 tensor, which vary by block within a factor of two.
  std::vector<float> scales() const;

 private:
  template <typename T>
  void fill_from(const std::vector<T>& table, int64_t first, std::span<std::byte> out) const;

  DType dtype_;
  uint64_t key_;
  float std_ = 1;
  std::vector<int64_t> shape_;
  // One value for each equal slice of the distribution: 256 of F8_E4M3, 4096 of the others.
  std::vector<uint8_t> bytes_;
  std::vector<uint16_t> halves_;
  std::vector<float> floats_;
};

}  // namespace fathom
