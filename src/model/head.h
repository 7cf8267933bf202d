// From hidden states to logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/language_model.h"
#include "model/pass.h"
#include "weights/head_outline.h"

namespace fathom {

/// A row of logits to be computed, and who chooses among them: null for all of them.
struct LogitRow {
  const float* hidden;  // [hidden_size], after the norm
  const LogitChoice* choice;
  int64_t row;  // the choice's
};

class Head {
 public:
  explicit Head(Pass& pass) : pass_(pass) {}

  /// Logits [rows, vocab], valid until the next call. With an outline, few rows that are all chosen
  /// from get exact logits only where chosen, elsewhere -infinity.
  Mat<const float> project(std::span<const LogitRow> rows, const WeightView& head,
                           const HeadOutline& outline);

  /// So many rows are projected through an outline, where there is one.
  static constexpr int64_t kOutlinedRows = 16;

 private:
  bool worth_choosing(std::span<const LogitRow> rows, const HeadOutline& outline);
  bool choose(std::span<const LogitRow> rows, const Activations& x, const WeightView& head,
              const HeadOutline& outline, Mat<float> logits);
  void choose_row(const LogitRow& row, const Activations& x, const Activations& codes, int64_t r,
                  DType head, const HeadOutline& outline, Mat<const float> estimates);

  /// Ids of one row within one panel: chosen_[first, last).
  struct Part {
    int64_t row;
    int64_t panel;
    size_t first;
    size_t last;
  };

  Pass& pass_;
  Scratch hidden_, logits_, margin_, exact_;
  ActivationBuffer in_, codes_in_;
  std::vector<int32_t> chosen_;
  std::vector<Part> parts_;
  int passes_without_ = 0;  // that the outline is left alone for
};

}  // namespace fathom
