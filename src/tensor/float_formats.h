// Scalar conversions between F32 and the checkpoint's narrow formats: the definition that every
// vector kernel is checked against.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace fathom {

/// BF16 widens to F32 exactly.
inline float bf16_to_f32(uint16_t x) {
  return std::bit_cast<float>(static_cast<uint32_t>(x) << 16);
}

/// Round to nearest, ties to even; NaN stays NaN (quiet), overflow goes to infinity.
inline uint16_t f32_to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x0040u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

/// E4M3 "fn": bias 7, no infinity, 0x7F and 0xFF NaN, largest 448, subnormal step 2^-9.
inline float e4m3_to_f32(uint8_t x) {
  const uint32_t exponent = (x >> 3) & 15u;
  const uint32_t mantissa = x & 7u;
  float value;
  if (exponent == 15 && mantissa == 7) {
    value = std::bit_cast<float>(0x7FC00000u);
  } else if (exponent == 0) {
    value = static_cast<float>(mantissa) * 0x1p-9f;
  } else {
    value = std::bit_cast<float>(((exponent + 120u) << 23) | (mantissa << 20));
  }
  return (x & 0x80u) ? -value : value;
}

/// Round to nearest, ties to even. Finite values past 448 saturate to 448, as the published
/// quantizer's input never exceeds it; NaN and infinity give NaN. A negative value that rounds to
/// zero keeps its sign (0x80).
inline uint8_t f32_to_e4m3(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint8_t sign = static_cast<uint8_t>((bits >> 24) & 0x80u);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= 0x7F800000u) return sign | 0x7Fu;
  if (magnitude >= 0x43E00000u) return sign | 0x7Eu;  // 448 and more
  if (magnitude < 0x3C800000u) {                      // below 2^-6: subnormal, step 2^-9
    const float scaled = std::bit_cast<float>(magnitude) * 0x1p9f;
    return sign | static_cast<uint8_t>(std::nearbyint(scaled));
  }
  const uint32_t rounded = magnitude + 0x7FFFFu + ((magnitude >> 20) & 1u);
  const uint32_t code = (rounded >> 20) - (120u << 3);
  return sign | static_cast<uint8_t>(code > 0x7Eu ? 0x7Eu : code);
}

}  // namespace fathom
