// A prompt's inner values under the names of the reference's golden files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/transformer.h"

namespace fathom {

/// A tensor with its own memory, F32 or I32.
struct NamedArray {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<std::byte> data;
};

/// Logits of every position of a prompt, run in one pass: [tokens, vocab_size].
NamedArray prompt_logits(Transformer& model, std::span<const int32_t> tokens, std::string name);

/// hidden [layers + 1, T, hidden], final_norm [T, hidden], routing.{ids,weights,scores} [MoE
/// layers, T,
/// .], rope.inv_freq, and for a model with an MTP layer mtp.{logits,hidden}_postnorm,
/// mtp.logits_prenorm and mtp.routing.* over the T - 1 positions that have a next token.
/// "postnorm": the MTP layer takes the main model's output after model.norm; "prenorm": before.
std::vector<NamedArray> capture(Transformer& model, std::span<const int32_t> tokens);

}  // namespace fathom
