// The ledger within a transaction: what requests do to their holds.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "ledger/database.h"
#include "ledger/ledger.h"

namespace fathom::ledger {

/// A hold as the table has it.
struct StoredHold {
  int64_t account_id;
  int64_t key_id;
  std::string model;
  int64_t started_at;
  Nano amount;
  Prices prices;
  Tokens used;
};

/// A transaction, which destroying it without commit() undoes. What the calls do is told at
/// Ledger's of the same names; each is idempotent by its request. One in which a call threw must
/// not be committed.
class Books {
 public:
  /// `db` and `server_id` must outlive it.
  Books(Database& db, const std::string& server_id, Time now);

  std::optional<Hold> open_hold(const HoldRequest& request);
  int64_t extend_hold(const std::string& request_id, const Tokens& used, int64_t more_output);
  Charge settle(const std::string& request_id, const Tokens& used, const std::string& outcome);
  /// For what extend_hold() noted last.
  Charge settle_as_noted(const std::string& request_id, const std::string& outcome);

  void commit();

 private:
  Account& account(int64_t id);
  std::optional<StoredHold> find_hold(const std::string& request_id);
  Charge charge(const std::string& request_id, const std::optional<Tokens>& used,
                const std::string& outcome);

  Database& db_;
  Transaction transaction_;
  const std::string& server_id_;
  const Time now_;
  /// Those in use, locked and read once; what many changes make of them is written once as well.
  struct InUse {
    const Account before;
    Account now;
  };
  std::list<InUse> accounts_;
};

/// What a settled request came to.
std::optional<Charge> find_charge(Database& db, const std::string& request_id);

}  // namespace fathom::ledger
