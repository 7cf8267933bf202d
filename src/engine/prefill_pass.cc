#include "engine/prefill_pass.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace fathom::engine {
namespace {

constexpr int kMostLeftOut = 3;  // steps in a row without any piece

}  // namespace

void PrefillPass::begin(std::vector<Work> work) {
  FATHOM_CHECK(!under_way());
  batch_.emplace(work);
  model_.begin(batch_->steps);
  work_ = std::move(work);
  const int64_t before = std::exchange(tokens_, 0);
  for (const Work& item : work_) {
    const auto& pages = item.sequence->pages;
    held_.insert(held_.end(), pages.begin(), pages.end());
    item.sequence->in_prefill = true;
    tokens_ += item.tokens;
  }
  const double growth =
      before == 0 ? 0 : static_cast<double>(tokens_) / static_cast<double>(before);
  for (Half& half : halves_) half = {.guess = half.mean() * growth};
  next_ = 0;
}

std::optional<StepOutput> PrefillPass::advance(double seconds) {
  bool forced = left_out_++ == kMostLeftOut;
  const Time start = clock_.now();
  for (Time now = start;
       forced || seconds_between(start, now) + halves_[next_].mean() <= seconds;) {
    forced = false;
    left_out_ = 0;
    const Time before = now;
    std::optional<StepOutput> output = model_.advance();
    now = clock_.now();
    Half& half = halves_[next_];
    half.seconds += seconds_between(before, now);
    ++half.pieces;
    next_ = 1 - next_;
    if (output) return output;
  }
  return std::nullopt;
}

std::vector<Work> PrefillPass::wanted() const {
  std::vector<Work> wanted = work_;
  std::erase_if(wanted, [](const Work& item) { return item.sequence == nullptr; });
  return wanted;
}

double PrefillPass::layer_seconds() const { return halves_[0].mean() + halves_[1].mean(); }

void PrefillPass::forget(Sequence& sequence) {
  if (!sequence.in_prefill) return;
  sequence.in_prefill = false;
  std::ranges::find(work_, &sequence, &Work::sequence)->sequence = nullptr;
  if (std::ranges::all_of(work_, [](const Work& item) { return item.sequence == nullptr; })) drop();
}

void PrefillPass::drop() {
  for (const Work& item : work_) {
    if (item.sequence != nullptr) item.sequence->in_prefill = false;
  }
  work_.clear();
  held_.clear();
}

}  // namespace fathom::engine
