#include "model/capture.h"

#include <algorithm>
#include <utility>

namespace fathom {
namespace {

template <typename T>
void append(std::vector<std::byte>& data, Mat<const T> rows) {
  for (int64_t r = 0; r < rows.rows; ++r) {
    const auto bytes = std::as_bytes(rows.row_span(r));
    data.insert(data.end(), bytes.begin(), bytes.end());
  }
}

NamedArray array(std::string name, std::vector<int64_t> shape, Mat<const float> rows) {
  NamedArray result{std::move(name), DType::kF32, std::move(shape), {}};
  append(result.data, rows);
  return result;
}

// Collects what one pass shows.
class Recorder : public ForwardObserver {
 public:
  void on_hidden(int64_t, Mat<const float> hidden) override {
    append(hidden_.data, hidden);
    shape_ = {hidden.rows, hidden.cols};
    ++layers_;
  }
  void on_routing(int64_t, Mat<const int32_t> ids, Mat<const float> weights,
                  Mat<const float> scores) override {
    append(ids_.data, ids);
    append(weights_.data, weights);
    append(scores_.data, scores);
    chosen_ = ids.cols;
    experts_ = scores.cols;
    ++moe_layers_;
  }

  // The residual stream after the last layer seen: [rows, hidden].
  Mat<const float> last_hidden() const {
    const auto* all = reinterpret_cast<const float*>(hidden_.data.data());
    return {all + (layers_ - 1) * shape_[0] * shape_[1], shape_[0], shape_[1]};
  }
  NamedArray hidden(std::string name) const {
    return {std::move(name), DType::kF32, {layers_, shape_[0], shape_[1]}, hidden_.data};
  }
  void add_routing(const std::string& prefix, std::vector<NamedArray>& out) const {
    if (moe_layers_ == 0) return;
    const int64_t rows = shape_[0];
    out.push_back({prefix + "ids", DType::kI32, {moe_layers_, rows, chosen_}, ids_.data});
    out.push_back({prefix + "weights", DType::kF32, {moe_layers_, rows, chosen_}, weights_.data});
    out.push_back({prefix + "scores", DType::kF32, {moe_layers_, rows, experts_}, scores_.data});
  }

 private:
  NamedArray hidden_, ids_, weights_, scores_;
  std::vector<int64_t> shape_;
  int64_t layers_ = 0, moe_layers_ = 0, chosen_ = 0, experts_ = 0;
};

// An observer for the time of a scope.
class Observing {
 public:
  Observing(Transformer& model, ForwardObserver& observer) : model_(model) {
    model_.set_observer(&observer);
  }
  ~Observing() { model_.set_observer(nullptr); }

 private:
  Transformer& model_;
};

// The MTP layer over positions 0 .. T - 2, fed with `hidden` [T, hidden].
void capture_mtp(Transformer& model, std::span<const int32_t> tokens, Mat<const float> hidden,
                 std::span<std::byte* const> pages, const std::string& variant, bool whole,
                 std::vector<NamedArray>& out) {
  const auto rows = static_cast<int64_t>(tokens.size()) - 1;
  DraftSequence sequence;
  sequence.next_tokens = tokens.subspan(1);
  sequence.hidden = hidden.rows_from(0, rows);
  sequence.pages = pages;
  sequence.logit_rows = rows;

  Recorder recorder;
  const Observing observing(model, recorder);
  const StepOutput result = model.draft({&sequence, 1});
  out.push_back(array("mtp.logits_" + variant, {rows, result.logits.cols}, result.logits));
  if (!whole) return;
  out.push_back(array("mtp.hidden_" + variant, {rows, hidden.cols}, recorder.last_hidden()));
  recorder.add_routing("mtp.routing.", out);
}

}  // namespace

NamedArray prompt_logits(Transformer& model, std::span<const int32_t> tokens, std::string name) {
  SequencePages pages(model);
  const auto count = static_cast<int64_t>(tokens.size());
  const StepSequence sequence{tokens, 0, pages.reserve(count), count};
  const StepOutput result = model.forward({&sequence, 1});
  return array(std::move(name), {count, result.logits.cols}, result.logits);
}

std::vector<NamedArray> capture(Transformer& model, std::span<const int32_t> tokens) {
  std::vector<NamedArray> out;
  SequencePages pages(model);
  const auto count = static_cast<int64_t>(tokens.size());
  const StepSequence sequence{tokens, 0, pages.reserve(count), 0};
  Recorder recorder;
  NamedArray final_norm;
  {
    const Observing observing(model, recorder);
    const StepOutput result = model.forward({&sequence, 1});
    final_norm = array("final_norm", {count, result.hidden.cols}, result.hidden);
  }
  out.push_back(recorder.hidden("hidden"));
  recorder.add_routing("routing.", out);
  if (model.has_mtp() && count > 1) {
    const Mat<const float> normed(reinterpret_cast<const float*>(final_norm.data.data()), count,
                                  model.config().hidden_size);
    capture_mtp(model, tokens, normed, sequence.pages, "postnorm", true, out);
    capture_mtp(model, tokens, recorder.last_hidden(), sequence.pages, "prenorm", false, out);
  }
  out.push_back(std::move(final_norm));

  std::vector<float> frequencies(model.rope_frequencies().begin(), model.rope_frequencies().end());
  const auto half = static_cast<int64_t>(frequencies.size());
  out.push_back(array("rope.inv_freq", {half}, Mat<const float>(frequencies.data(), 1, half)));
  return out;
}

}  // namespace fathom
