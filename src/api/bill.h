// What one request may spend, and what it spent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "api/till.h"
#include "ledger/ledger.h"

namespace fathom::api {

/// Who asks. Nobody in particular where no key is needed.
struct Caller {
  std::optional<ledger::ApiKey> key;
  /// Requests of one user share a turn in the engine's queue.
  std::string user() const { return key ? std::to_string(key->account_id) : std::string(); }
};

struct BillTerms {
  std::string request_id;
  std::string model;
  int64_t prompt_tokens = 0;
  int64_t most_output = 0;  ///< of all choices
  bool grows = true;        ///< covers the output bit by bit; else all of it from the start
};

/// A request's hold in the ledger, from before the work to the charge. Without a key nothing is
/// held or charged and everything is covered.
class Bill {
 public:
  /// `till` must outlive it.
  Bill(Till& till, const Caller& caller, BillTerms terms);

  /// Throws ApiError 402 when the balance does not reach.
  boost::asio::awaitable<void> open();
  /// What the cache had of the prompt, once it is known: until then all of it counts as missed.
  void know_prompt(const ledger::Tokens& prompt);
  /// cover(output) has something to do; otherwise `output` tokens in all may be given out.
  bool wants_cover(int64_t output) const {
    const bool notes = prompt_unnoted_ || output - last_noted_ >= kNoteEvery;
    return output > covered_ || (key_ && terms_.grows && notes);
  }
  /// Whether `output` tokens in all may be given out. Covers more of them as it goes, and notes
  /// what was used.
  boost::asio::awaitable<bool> cover(int64_t output);
  int64_t covered() const { return covered_; }
  /// While its client does not read, a request brings nothing, and nobody should wait for it.
  Till::Guest& guest() { return guest_; }
  /// The prompt as far as it is known.
  const ledger::Tokens& prompt() const { return prompt_; }
  /// Charges, then runs `then` on a worker. To be called once for each open(). Where the database
  /// fails, the charge is made later, and `then` not run: the answer is the client's all the same.
  boost::asio::awaitable<void> settle(const ledger::Tokens& used, const std::string& outcome,
                                      const Till::Errand& then);

 private:
  /// What was used is noted this often, so that a server that dies leaves little uncharged.
  static constexpr int64_t kNoteEvery = 64;

  Till& till_;
  Till::Guest guest_;
  const std::optional<ledger::ApiKey> key_;
  const BillTerms terms_;
  ledger::Tokens prompt_;        // no output in it
  bool prompt_unnoted_ = false;  // it became known, and the ledger does not know it
  int64_t covered_ = 0;
  int64_t last_noted_ = 0;
};

}  // namespace fathom::api
