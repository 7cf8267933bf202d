#include "checkpoint/synth_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/rng.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

constexpr int64_t kWords = 1024;     // random words made at a time
constexpr float kCodesPerStd = 112;  // puts 4 standard deviations at E4M3's largest value, 448

/// The standard normal distribution's quantile, by bisection: tables are made once a tensor.
double normal_quantile(double p) {
  double low = -9, high = 9;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(-middle / std::sqrt(2.0)) / 2 < p ? low : high) = middle;
  }
  return low;
}

std::vector<float> make_quantiles(int count) {
  std::vector<float> values(count);
  for (int i = 0; i < count; ++i)
    values[i] = static_cast<float>(normal_quantile((i + 0.5) / count));
  return values;
}

const std::vector<float>& fine_quantiles() {
  static const std::vector<float> values = make_quantiles(4096);
  return values;
}

const std::vector<uint8_t>& e4m3_codes() {
  static const std::vector<uint8_t> codes = [] {
    std::vector<uint8_t> made;
    for (const float q : make_quantiles(256)) made.push_back(f32_to_e4m3(q * kCodesPerStd));
    return made;
  }();
  return codes;
}

/// Words [block * kWords, ...) of a stream. A counter hash: no state, so threads need not meet; the
/// constant trip count lets the compiler use vectors.
void random_words(uint64_t key, uint64_t block, uint32_t* out) {
  const uint64_t mixed = splitmix64(key + block * 0x9E3779B97F4A7C15ull);
  const uint32_t low = static_cast<uint32_t>(mixed), high = static_cast<uint32_t>(mixed >> 32);
  for (int64_t i = 0; i < kWords; ++i) {
    uint32_t x = static_cast<uint32_t>(i) * 0x9E3779B9u + low;
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x ^= high;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    out[i] = x ^ (x >> 16);
  }
}

uint64_t key_of(const std::string& name, uint64_t seed) {
  uint64_t key = splitmix64(seed);
  for (const char c : name) key = splitmix64(key ^ static_cast<unsigned char>(c));
  return key;
}

/// As in the published checkpoint, the MTP layer repeats the main model's embedding and head.
std::string source_name(const ExpectedTensor& tensor) {
  if (tensor.role == TensorRole::kEmbedding) return "model.embed_tokens.weight";
  if (tensor.role == TensorRole::kHead) return "lm_head.weight";
  return tensor.name;
}

}  // namespace

SynthValues::SynthValues(const ExpectedTensor& tensor, DType dtype, uint64_t seed)
    : dtype_(dtype), key_(key_of(source_name(tensor), seed)), shape_(tensor.shape) {
  float mean = 0;
  switch (tensor.role) {
    case TensorRole::kEmbedding:
      std_ = 1;
      break;
    case TensorRole::kNorm:
      mean = 1, std_ = 0.05f;
      break;
    case TensorRole::kGateBias:
      std_ = 0.02f;
      break;
    default:
      std_ = 1 / std::sqrt(static_cast<float>(tensor.shape.back()));
  }
  if (dtype == DType::kF8E4M3) {
    bytes_ = e4m3_codes();
  } else {
    for (const float q : fine_quantiles()) floats_.push_back(mean + std_ * q);
    if (dtype == DType::kBF16) {
      for (const float value : floats_) halves_.push_back(f32_to_bf16(value));
    } else {
      FATHOM_CHECK(dtype == DType::kF32);
    }
  }
}

template <typename T>
void SynthValues::fill_from(const std::vector<T>& table, int64_t first,
                            std::span<std::byte> out) const {
  // A byte of randomness picks one of 256 values, two bytes one of 4096.
  constexpr int64_t kPerWord = sizeof(T) == 1 ? 4 : 2;
  constexpr int64_t kPerBlock = kWords * kPerWord;
  FATHOM_CHECK(first % kGranule == 0 && kGranule % kPerBlock == 0);
  uint32_t words[kWords];
  T values[kPerBlock];
  const int64_t count = static_cast<int64_t>(out.size() / sizeof(T));
  for (int64_t done = 0; done < count; done += kPerBlock) {
    random_words(key_, static_cast<uint64_t>((first + done) / kPerBlock), words);
    for (int64_t i = 0; i < kWords; ++i) {
      if constexpr (kPerWord == 4) {
        for (int k = 0; k < 4; ++k) values[4 * i + k] = table[(words[i] >> (8 * k)) & 255];
      } else {
        values[2 * i] = table[words[i] & 4095];
        values[2 * i + 1] = table[words[i] >> 20];
      }
    }
    const int64_t fits = std::min(kPerBlock, count - done);
    std::memcpy(out.data() + done * sizeof(T), values, fits * sizeof(T));
  }
}

void SynthValues::fill(int64_t first, std::span<std::byte> out) const {
  switch (dtype_) {
    case DType::kF8E4M3:
      return fill_from(bytes_, first, out);
    case DType::kBF16:
      return fill_from(halves_, first, out);
    default:
      return fill_from(floats_, first, out);
  }
}

std::vector<float> SynthValues::scales() const {
  const std::vector<int64_t> blocks = scale_shape(shape_);
  std::vector<float> result(static_cast<size_t>(blocks[0] * blocks[1]));
  Rng rng(splitmix64(key_));
  for (float& scale : result) {
    scale = std_ / kCodesPerStd * static_cast<float>(0.75 + 0.5 * rng.uniform());
  }
  return result;
}

}  // namespace fathom
