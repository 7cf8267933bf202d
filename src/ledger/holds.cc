// What requests do to their holds, in transactions.
#include <algorithm>

#include "base/error.h"
#include "ledger/books.h"
#include "ledger/ledger.h"
#include "ledger/pool.h"

namespace fathom::ledger {

// All of them in one transaction. When one fails, none has happened, and each is done alone.
std::vector<std::exception_ptr> Ledger::apply(std::span<const Change* const> changes) {
  std::vector<std::exception_ptr> errors(changes.size());
  if (changes.size() > 1) {
    try {
      change([&](Books& books) {
        for (const Change* each : changes) (*each)(books);
      });
      return errors;
    } catch (const RetryableDatabaseError&) {
      std::fill(errors.begin(), errors.end(), std::current_exception());
      return errors;
    } catch (const std::exception&) {
      // Whose it was shows below.
    }
  }
  for (size_t i = 0; i < changes.size(); ++i) {
    try {
      change_alone(*changes[i]);
    } catch (...) {
      errors[i] = std::current_exception();
    }
  }
  return errors;
}

void Ledger::change_alone(const Change& given) {
  try {
    change(given);
  } catch (const ConstraintError&) {
    // Holds belong to a server that is known: on first use, and after others took it for dead, it
    // is not.
    register_server();
    change(given);
  }
}

std::optional<Hold> Ledger::open_hold(const HoldRequest& request) {
  std::optional<Hold> hold;
  change_alone([&](Books& books) { hold = books.open_hold(request); });
  return hold;
}

int64_t Ledger::extend_hold(const std::string& request_id, const Tokens& used,
                            int64_t more_output) {
  int64_t covered = 0;
  change_alone([&](Books& books) { covered = books.extend_hold(request_id, used, more_output); });
  return covered;
}

Charge Ledger::settle(const std::string& request_id, const Tokens& used,
                      const std::string& outcome) {
  Charge charge;
  change_alone([&](Books& books) { charge = books.settle(request_id, used, outcome); });
  return charge;
}

std::optional<Charge> Ledger::charge_of(const std::string& request_id) {
  return run([&](Database& db) { return find_charge(db, request_id); });
}

}  // namespace fathom::ledger
