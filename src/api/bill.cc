#include "api/bill.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>

#include "api/api_error.h"
#include "ledger/books.h"

namespace fathom::api {
namespace {

// The first tokens that a hold covers, and how many more at a time (docs/formats/ledger.md).
constexpr int64_t kFirstOutput = 256;

}  // namespace

Bill::Bill(Till& till, const Caller& caller, BillTerms terms)
    : till_(till),
      guest_(till),
      key_(caller.key),
      terms_(std::move(terms)),
      prompt_{0, terms_.prompt_tokens, 0} {}

boost::asio::awaitable<void> Bill::open() {
  if (!key_) {
    covered_ = std::numeric_limits<int64_t>::max();
    co_return;
  }
  const int64_t first =
      terms_.grows ? std::min(kFirstOutput, terms_.most_output) : terms_.most_output;
  const ledger::HoldRequest request{.request_id = terms_.request_id,
                                    .account_id = key_->account_id,
                                    .key_id = key_->id,
                                    .model = terms_.model,
                                    .worst = {0, terms_.prompt_tokens, first},
                                    .all_or_nothing = !terms_.grows};
  std::optional<ledger::Hold> hold;
  const ledger::Change change = [&](ledger::Books& books) { hold = books.open_hold(request); };
  co_await till_.bring(change);
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
    int64_t covered = 0;
    const ledger::Change change = [&](ledger::Books& books) {
      covered = books.extend_hold(terms_.request_id, used, more);
    };
    co_await till_.bring(change);
    covered_ = covered;
    last_noted_ = known;
    prompt_unnoted_ = false;
  }
  co_return output <= covered_;
}

boost::asio::awaitable<void> Bill::settle(const ledger::Tokens& used, const std::string& outcome,
                                          const Till::Errand& then) {
  if (!key_) {
    co_await run_on(till_.workers(), [&then] { return then(), true; });
    co_return;
  }
  const ledger::Change change = [&](ledger::Books& books) {
    books.settle(terms_.request_id, used, outcome);
  };
  try {
    co_await till_.bring(change, then);
  } catch (const std::exception& error) {
    spdlog::error("request {}: charged later: {}", terms_.request_id, error.what());
    till_.ledger().settle_later(terms_.request_id, used, outcome);
  }
  guest_.leave();
}

}  // namespace fathom::api
