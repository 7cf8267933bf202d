// A trained model as a Hugging Face directory.
#pragma once

#include <string>

#include "checkpoint/config.h"
#include "train/layout.h"

namespace fathom::train {

struct ExportOptions {
  bool fp8 = true;        // Linears in E4M3 with 128x128 scales; otherwise BF16
  std::string tokenizer;  // directory whose tokenizer files are copied; may be empty
};

/// Writes config.json, model.safetensors (tensors as in the published checkpoint, the MTP layer's
/// copies of embedding and head included) and the tokenizer's files into `dir`, each replaced in
/// one step. `params` [layout.size], `bias` [moe layers, experts].
void export_model(const std::string& dir, ModelConfig config, const Layout& layout,
                  const float* params, const float* bias, const ExportOptions& options);

}  // namespace fathom::train
