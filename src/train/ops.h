// The element-wise and row-wise operations in forward and backward pairs. With T = float they are
// the table's vector loops; with T = double plain ones, which the gradient checks run on.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "train/simd/table.h"

namespace fathom::train {

/// y = x / rms(x) * w over n elements; *inv is 1 / rms(x).
template <typename T>
void rmsnorm(const T* x, const T* w, int64_t n, double eps, T* y, T* inv) {
  if constexpr (std::is_same_v<T, float>) {
    table().rmsnorm(x, w, n, static_cast<float>(eps), y, inv);
  } else {
    T sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += x[j] * x[j];
    *inv = 1 / std::sqrt(sum / static_cast<T>(n) + eps);
    for (int64_t j = 0; j < n; ++j) y[j] = x[j] * *inv * w[j];
  }
}

/// dx += , dw += .
template <typename T>
void rmsnorm_back(const T* x, const T* w, const T* dy, T inv, int64_t n, T* dx, T* dw) {
  if constexpr (std::is_same_v<T, float>) {
    table().rmsnorm_back(x, w, dy, inv, n, dx, dw);
  } else {
    T sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += dy[j] * w[j] * x[j];
    const T k = sum * inv * inv * inv / static_cast<T>(n);
    for (int64_t j = 0; j < n; ++j) {
      dx[j] += dy[j] * w[j] * inv - x[j] * k;
      dw[j] += dy[j] * x[j] * inv;
    }
  }
}

/// y = silu(g) * u.
template <typename T>
void swiglu(const T* g, const T* u, int64_t n, T* y) {
  if constexpr (std::is_same_v<T, float>) {
    table().swiglu(g, u, n, y);
  } else {
    for (int64_t j = 0; j < n; ++j) y[j] = g[j] / (1 + std::exp(-g[j])) * u[j];
  }
}

/// y recomputed; dg and du from dy.
template <typename T>
void swiglu_back(const T* g, const T* u, const T* dy, int64_t n, T* y, T* dg, T* du) {
  if constexpr (std::is_same_v<T, float>) {
    table().swiglu_back(g, u, dy, n, y, dg, du);
  } else {
    for (int64_t j = 0; j < n; ++j) {
      const T s = 1 / (1 + std::exp(-g[j]));
      const T silu = g[j] * s;
      const T d = dy[j];
      const T up = u[j];
      y[j] = silu * up;
      du[j] = d * silu;
      dg[j] = d * up * (s + silu * (1 - s));
    }
  }
}

/// y += a x.
template <typename T>
void axpy(T a, const T* x, int64_t n, T* y) {
  if constexpr (std::is_same_v<T, float>) {
    table().axpy(a, x, n, y);
  } else {
    for (int64_t j = 0; j < n; ++j) y[j] += a * x[j];
  }
}

template <typename T>
T dot(const T* x, const T* y, int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    return table().dot(x, y, n);
  } else {
    T sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += x[j] * y[j];
    return sum;
  }
}

/// Softmax of x * scale in place; *lse is its log-sum-exp.
template <typename T>
void softmax(T* x, int64_t n, T scale, T* lse) {
  if constexpr (std::is_same_v<T, float>) {
    table().softmax(x, n, scale, lse);
  } else {
    T top = x[0];
    for (int64_t j = 1; j < n; ++j) top = x[j] > top ? x[j] : top;
    T sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += x[j] = std::exp((x[j] - top) * scale);
    for (int64_t j = 0; j < n; ++j) x[j] /= sum;
    *lse = top * scale + std::log(sum);
  }
}

/// Turns pairs (x[2i], x[2i+1]) by the angles whose cosines and sines are given; `sign` -1 turns
/// back, which is also the gradient.
template <typename T>
void rotate_pairs(T* x, const T* cosine, const T* sine, int64_t pairs, T sign) {
  for (int64_t i = 0; i < pairs; ++i) {
    const T a = x[2 * i], b = x[2 * i + 1], s = sign * sine[i];
    x[2 * i] = a * cosine[i] - b * s;
    x[2 * i + 1] = a * s + b * cosine[i];
  }
}

}  // namespace fathom::train
