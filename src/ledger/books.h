// The ledger within a transaction: what requests do to their holds.
#pragma once

#include <optional>
#include <string>

#include "ledger/database.h"
#include "ledger/ledger.h"

namespace fathom::ledger {

/// What the calls do is told at Ledger's of the same names. Each is idempotent by its request. The
/// transaction in which one throws must not be committed.
class Books {
 public:
  /// Within a transaction of `db`, which lives as long as this; `server_id` must outlive it.
  Books(Database& db, const std::string& server_id, Time now)
      : db_(db), server_id_(server_id), now_(now) {}

  std::optional<Hold> open_hold(const HoldRequest& request);
  int64_t extend_hold(const std::string& request_id, const Tokens& used, int64_t more_output);
  Charge settle(const std::string& request_id, const Tokens& used, const std::string& outcome);
  /// For what extend_hold() noted last.
  Charge settle_as_noted(const std::string& request_id, const std::string& outcome);

 private:
  Charge charge(const std::string& request_id, const std::optional<Tokens>& used,
                const std::string& outcome);

  Database& db_;
  const std::string& server_id_;
  const Time now_;
};

}  // namespace fathom::ledger
