// How many tokens the MTP layer proposes at a time, and whether it does at all.
#pragma once

#include <array>
#include <cstdint>

#include "engine/typical_time.h"

namespace fathom::engine {

/// Measures what steps with and without drafts take and what share of drafts is kept, and takes the
/// draft length that makes tokens fastest. What a trial lost is a debt that 1% of the decoding time
/// repays before the next one, so trials never cost much more than that, in any stretch of time.
///
/// Steps count only where nothing but decoding went on. Times are kept apart by the number of
/// sequences, because it decides what another row costs.
class DraftPolicy {
 public:
  explicit DraftPolicy(int max_drafts);

  /// Draft length for the next step of `sequences` that decode.
  int choose(int64_t sequences);

  /// Whether the sequences of that step should go on keeping MTP's KV up to date: not where drafts
  /// lose and the next trial has yet to be earned. Those that stop never speculate again.
  bool worth_tracking(int64_t sequences) const;

  /// A step verified up to `drafts` for each of `sequences`, in `verify_seconds`, and made
  /// `new_tokens` in all; then `proposed` drafts for each were made in `draft_seconds`.
  struct Step {
    int64_t sequences = 0;
    int64_t drafting = 0;  // of these, the ones that speculate
    int drafts = 0;
    int proposed = 0;
    double verify_seconds = 0;
    double draft_seconds = 0;
    int64_t new_tokens = 0;
  };
  void observe(const Step& step);

  /// Draft number `depth` (from 0), the ones before it kept, was kept or not.
  void observe_draft(int depth, bool kept);

  /// Whether a new request should keep MTP's KV up to date, which costs a little, so that it can
  /// speculate. While speculation loses, one in 16 does, to notice when that changes.
  bool should_track();

  double acceptance(int depth) const { return kept_[depth]; }

 private:
  static constexpr int kMaxDrafts = 4;
  static constexpr int kBuckets = 8;
  struct Times {
    std::array<TypicalTime, kMaxDrafts + 1> verify;  // by draft length
    std::array<TypicalTime, kMaxDrafts + 1> draft;
    double share = 1;    // of the sequences that speculate
    int64_t rounds = 0;  // since the last plain one
    int best = 0;
    int trying = 0;  // length on trial
    int trial_rounds = 0;
  };

  static int bucket(int64_t sequences);
  double expected_tokens(const Times& times, int drafts) const;
  double round_seconds(const Times& times, int drafts) const;
  int best_known(const Times& times) const;
  int worth_trying(const Times& times) const;
  bool affords_trial(const Times& times) const;

  const int max_drafts_;
  std::array<Times, kBuckets> times_;
  std::array<double, kMaxDrafts> kept_;  // share kept of those that were reached
  std::array<double, kMaxDrafts> seen_;  // how sure that is
  double debt_ = 0;  // seconds that plain steps would have saved, less what decoding repaid
  bool on_ = true;   // wins, or not known to lose
  int64_t requests_ = 0;
};

}  // namespace fathom::engine
