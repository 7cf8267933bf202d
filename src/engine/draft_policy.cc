#include "engine/draft_policy.h"

#include <algorithm>
#include <bit>

namespace fathom::engine {
namespace {

constexpr double kNewest = 0.15;  // weight of the newest share in an average
constexpr double kMemory = 24;    // drafts that the acceptance remembers
constexpr double kPriorAcceptance = 0.7;
constexpr double kPriorWeight = 3;
constexpr int kTrialRounds = 4;
constexpr int kPlainRounds = 4;       // to be measured before anything is tried
constexpr int kPlainEvery = 64;       // while speculating, one plain step in this many
constexpr double kTrialShare = 0.01;  // of the decoding time, which pays for trials
constexpr double kMostDebt = 5.0;     // plain rounds that may be owed, a trial included
constexpr double kMargin = 1.02;      // what a length must win to be taken
constexpr int kTrackedOneIn = 16;

}  // namespace

DraftPolicy::DraftPolicy(int max_drafts) : max_drafts_(std::clamp(max_drafts, 0, kMaxDrafts)) {
  kept_.fill(kPriorAcceptance);
  seen_.fill(kPriorWeight);
}

int DraftPolicy::bucket(int64_t sequences) {
  return std::min<int>(kBuckets - 1, std::bit_width(static_cast<uint64_t>(sequences - 1)));
}

// By a sequence in a round.
double DraftPolicy::expected_tokens(const Times& times, int drafts) const {
  double kept = 0, reached = 1;
  for (int d = 0; d < drafts; ++d) kept += reached *= kept_[d];
  return 1 + times.share * kept;
}

// 0 where it is not known.
double DraftPolicy::round_seconds(const Times& times, int drafts) const {
  if (times.verify[drafts].count() == 0) return 0;
  if (drafts > 0 && times.draft[drafts].count() == 0) return 0;
  return times.verify[drafts].seconds() + times.draft[drafts].seconds();
}

int DraftPolicy::best_known(const Times& times) const {
  const double plain = round_seconds(times, 0);
  int best = 0;
  double best_rate = kMargin / plain;
  for (int k = 1; k <= max_drafts_; ++k) {
    const double seconds = round_seconds(times, k);
    if (seconds > 0 && expected_tokens(times, k) / seconds > best_rate) {
      best = k;
      best_rate = expected_tokens(times, k) / seconds;
    }
  }
  return best;
}

// A length beside the best one that may beat it; 0: none.
int DraftPolicy::worth_trying(const Times& times) const {
  const int next = times.best + 1;
  if (next > max_drafts_) return 0;
  if (times.best == 0) return next;
  if (round_seconds(times, next) > 0) return 0;  // known, and was not best
  const double now = round_seconds(times, times.best);
  const double step = now - round_seconds(times, times.best - 1);
  const double guess = now + std::max(step, 0.0) / 2;
  return expected_tokens(times, next) / guess > expected_tokens(times, times.best) / now ? next : 0;
}

bool DraftPolicy::affords_trial(const Times& times) const {
  const double plain = round_seconds(times, 0);
  // What a trial costs at worst, about: each round half a plain one more than it should.
  const double cost = kTrialRounds * plain / 2;
  return debt_ + cost <= kMostDebt * plain;
}

int DraftPolicy::choose(int64_t sequences) {
  if (max_drafts_ == 0 || sequences == 0) return 0;
  Times& times = times_[bucket(sequences)];
  if (times.verify[0].count() < kPlainRounds) return 0;
  if (times.trial_rounds > 0) return times.trying;
  times.best = best_known(times);
  on_ = times.best > 0;
  if (times.best > 0 && times.rounds >= kPlainEvery) return 0;
  const int next = worth_trying(times);
  if (next > 0 && affords_trial(times)) {
    times.trying = next;
    times.trial_rounds = kTrialRounds;
    return next;
  }
  return times.best;
}

bool DraftPolicy::worth_tracking(int64_t sequences) const {
  if (max_drafts_ == 0 || sequences == 0) return max_drafts_ > 0;
  const Times& times = times_[bucket(sequences)];
  const bool known = times.verify[0].count() >= kPlainRounds && times.trial_rounds == 0;
  return !known || times.best > 0 || affords_trial(times);
}

void DraftPolicy::observe(const Step& step) {
  if (step.sequences == 0) return;
  Times& times = times_[bucket(step.sequences)];
  times.verify[step.drafts].add(step.verify_seconds);
  if (step.proposed > 0) times.draft[step.proposed].add(step.draft_seconds);
  const double seconds = step.verify_seconds + step.draft_seconds;
  debt_ = std::max(0.0, debt_ - kTrialShare * seconds);
  if (step.drafts == 0) {
    times.rounds = 0;
    debt_ += step.draft_seconds;
    return;
  }
  ++times.rounds;
  const auto sequences = static_cast<double>(step.sequences);
  times.share += kNewest * (static_cast<double>(step.drafting) / sequences - times.share);
  if (times.trial_rounds > 0 && step.drafts == times.trying) --times.trial_rounds;
  const double tokens = static_cast<double>(step.new_tokens) / sequences;
  debt_ = std::max(0.0, debt_ + seconds - tokens * round_seconds(times, 0));
}

void DraftPolicy::observe_draft(int depth, bool kept) {
  seen_[depth] = std::min(seen_[depth] + 1, kMemory);
  kept_[depth] += ((kept ? 1.0 : 0.0) - kept_[depth]) / seen_[depth];
}

bool DraftPolicy::should_track() {
  return max_drafts_ > 0 && (on_ || requests_++ % kTrackedOneIn == 0);
}

}  // namespace fathom::engine
