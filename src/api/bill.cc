#include "api/bill.h"

#include <algorithm>
#include <limits>

#include "api/api_error.h"

namespace fathom::api {
namespace {

// The first tokens that a hold covers, and how many more at a time (docs/formats/ledger.md).
constexpr int64_t kFirstOutput = 256;

}  // namespace

Bill::Bill(ledger::Ledger& ledger, Workers& workers, const Caller& caller, BillTerms terms)
    : ledger_(ledger),
      workers_(workers),
      key_(caller.key),
      terms_(std::move(terms)),
      prompt_{0, terms_.prompt_tokens, 0} {}

void Bill::open() {
  if (!key_) {
    covered_ = std::numeric_limits<int64_t>::max();
    return;
  }
  const int64_t first =
      terms_.grows ? std::min(kFirstOutput, terms_.most_output) : terms_.most_output;
  const ledger::HoldRequest request{.request_id = terms_.request_id,
                                    .account_id = key_->account_id,
                                    .key_id = key_->id,
                                    .model = terms_.model,
                                    .worst = {0, terms_.prompt_tokens, first},
                                    .all_or_nothing = !terms_.grows};
  const std::optional<ledger::Hold> hold = ledger_.open_hold(request);
  if (!hold) throw insufficient_balance();
  covered_ = hold->covered_output;
}

void Bill::know_prompt(const ledger::Tokens& prompt) {
  prompt_ = prompt;
  prompt_unnoted_ = true;
}

boost::asio::awaitable<bool> Bill::cover(int64_t output) {
  // A second time only where a prompt that turned out larger than the hold took from the output.
  for (int tries = 0; tries < 2 && wants_cover(output); ++tries) {
    const int64_t known = std::min(output, covered_);
    const int64_t more = output > covered_ ? output - known + kFirstOutput : 0;
    const ledger::Tokens used = {prompt_.hit, prompt_.miss, known};
    covered_ = co_await run_on(workers_, [this, used, more] {
      return ledger_.extend_hold(terms_.request_id, used, more);
    });
    last_noted_ = known;
    prompt_unnoted_ = false;
  }
  co_return output <= covered_;
}

void Bill::settle(const ledger::Tokens& used, const std::string& outcome) {
  if (key_) ledger_.settle(terms_.request_id, used, outcome);
}

}  // namespace fathom::api
