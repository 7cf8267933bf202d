// Money set aside for a running request, and what becomes of it.
#include <algorithm>

#include "base/error.h"
#include "ledger/books.h"
#include "ledger/ledger.h"
#include "ledger/pool.h"

namespace fathom::ledger {
namespace {

struct StoredHold {
  int64_t account_id;
  int64_t key_id;
  std::string model;
  int64_t started_at;
  Nano amount;
  Prices prices;
  Tokens used;
};

constexpr char kHoldColumns[] =
    "account_id, key_id, model, started_at, amount, hit_price, miss_price, output_price, "
    "hit_tokens, miss_tokens, output_tokens";

StoredHold read_hold(const Row& row) {
  return {.account_id = row.integer(0),
          .key_id = row.integer(1),
          .model = row.text(2),
          .started_at = row.integer(3),
          .amount = row.integer(4),
          .prices = {row.integer(5), row.integer(6), row.integer(7)},
          .used = {row.integer(8), row.integer(9), row.integer(10)}};
}

/// Locks the account's row until the transaction ends.
Account lock_account(Database& db, int64_t id) {
  const auto rows =
      db.query("SELECT currency, granted, topped_up, held FROM accounts WHERE id = $1" +
                   std::string(db.for_update()),
               {id});
  if (rows.empty()) fail(ErrorKind::kNotFound, "account {}: no such account", id);
  return {.id = id,
          .name = "",
          .currency = parse_currency(rows[0].text(0)),
          .granted = rows[0].integer(1),
          .topped_up = rows[0].integer(2),
          .held = rows[0].integer(3)};
}

std::optional<Charge> find_charge(Database& db, const std::string& request_id) {
  const auto rows = db.query(
      "SELECT hit_tokens, miss_tokens, output_tokens, charged, from_granted, outcome "
      "FROM usage WHERE request_id = $1",
      {request_id});
  if (rows.empty()) return std::nullopt;
  const Row& row = rows[0];
  return Charge{{row.integer(0), row.integer(1), row.integer(2)},
                row.integer(3),
                row.integer(4),
                row.text(5)};
}

/// The output tokens that what is left of `amount` after the prompt pays for.
int64_t covered_output(Nano amount, const Prices& prices, const Tokens& prompt) {
  const Nano left = amount - prices.cost({prompt.hit, prompt.miss, 0});
  return left < 0 ? 0 : left / prices.output;
}

void check_counts(const Tokens& tokens) {
  // Far beyond any request, and small enough that no product overflows.
  constexpr int64_t kMost = int64_t{1} << 40;
  for (const int64_t count : {tokens.hit, tokens.miss, tokens.output}) {
    if (count < 0 || count > kMost) fail(ErrorKind::kBadInput, "ledger: {} tokens", count);
  }
}

}  // namespace

std::optional<Hold> Books::open_hold(const HoldRequest& request) {
  check_counts(request.worst);
  if (const auto known =
          db_.query(std::string("SELECT ") + kHoldColumns + " FROM holds WHERE request_id = $1",
                    {request.request_id});
      !known.empty()) {
    const StoredHold hold = read_hold(known[0]);
    return Hold{request.request_id, hold.prices,
                covered_output(hold.amount, hold.prices, {0, request.worst.miss, 0})};
  }
  if (find_charge(db_, request.request_id)) {
    fail(ErrorKind::kConflict, "request {}: already settled", request.request_id);
  }

  const Account account = lock_account(db_, request.account_id);
  const Prices prices = prices_at(account.currency, now_);
  const Nano prompt = prices.cost({request.worst.hit, request.worst.miss, 0});
  const Nano affordable = std::max<Nano>(0, account.available() - prompt) / prices.output;
  const int64_t output = std::min(request.worst.output, affordable);
  const bool enough = account.available() >= prompt && output >= 1;
  if (!enough || (request.all_or_nothing && output < request.worst.output)) return std::nullopt;

  const Nano amount = prompt + output * prices.output;
  db_.query("UPDATE accounts SET held = held + $1 WHERE id = $2", {amount, account.id});
  db_.query(
      "INSERT INTO holds (request_id, server_id, account_id, key_id, model, started_at, amount, "
      "hit_price, miss_price, output_price) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {request.request_id, server_id_, request.account_id, request.key_id, request.model,
       now_.time_since_epoch().count(), amount, prices.hit, prices.miss, prices.output});
  return Hold{request.request_id, prices, output};
}

int64_t Books::extend_hold(const std::string& request_id, const Tokens& used, int64_t more_output) {
  check_counts(used);
  const auto rows =
      db_.query(std::string("SELECT ") + kHoldColumns + " FROM holds WHERE request_id = $1" +
                    std::string(db_.for_update()),
                {request_id});
  if (rows.empty()) fail(ErrorKind::kNotFound, "request {}: no open hold", request_id);
  const StoredHold hold = read_hold(rows[0]);
  const Nano wanted = hold.prices.cost({used.hit, used.miss, used.output + more_output});
  Nano added = 0;
  if (more_output > 0 && wanted > hold.amount) {
    const Account account = lock_account(db_, hold.account_id);
    added = std::min(wanted - hold.amount, account.available());
    db_.query("UPDATE accounts SET held = held + $1 WHERE id = $2", {added, account.id});
  }
  // What is noted here is what a crash charges, so it never exceeds the hold.
  Tokens noted = used;
  noted.output = std::min(used.output, covered_output(hold.amount + added, hold.prices, used));
  if (hold.prices.cost(noted) > hold.amount + added) noted = hold.used;
  db_.query(
      "UPDATE holds SET amount = amount + $1, hit_tokens = $2, miss_tokens = $3, "
      "output_tokens = $4 WHERE request_id = $5",
      {added, noted.hit, noted.miss, noted.output, request_id});
  return covered_output(hold.amount + added, hold.prices, used);
}

Charge Books::settle(const std::string& request_id, const Tokens& used,
                     const std::string& outcome) {
  check_counts(used);
  return charge(request_id, used, outcome);
}

Charge Books::settle_as_noted(const std::string& request_id, const std::string& outcome) {
  return charge(request_id, std::nullopt, outcome);
}

/// `used` absent: what the hold had noted. Removing the hold's row is what makes a charge happen
/// once: of two transactions that try, one finds no row.
Charge Books::charge(const std::string& request_id, const std::optional<Tokens>& used,
                     const std::string& outcome) {
  const auto rows =
      db_.query(std::string("DELETE FROM holds WHERE request_id = $1 RETURNING ") + kHoldColumns,
                {request_id});
  if (rows.empty()) {
    const std::optional<Charge> settled = find_charge(db_, request_id);
    if (!settled) fail(ErrorKind::kNotFound, "request {}: no hold", request_id);
    return *settled;
  }
  const StoredHold hold = read_hold(rows[0]);
  const Account account = lock_account(db_, hold.account_id);
  Charge charge{.tokens = used.value_or(hold.used), .outcome = outcome};
  charge.charged = std::min(hold.prices.cost(charge.tokens), hold.amount + account.available());
  charge.from_granted = std::min(charge.charged, account.granted);
  db_.query(
      "UPDATE accounts SET granted = granted - $1, topped_up = topped_up - $2, held = held - $3 "
      "WHERE id = $4",
      {charge.from_granted, charge.charged - charge.from_granted, hold.amount, account.id});
  db_.query(
      "INSERT INTO usage (request_id, account_id, key_id, model, day, started_at, settled_at, "
      "hit_tokens, miss_tokens, output_tokens, charged, from_granted, outcome) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
      {request_id, hold.account_id, hold.key_id, hold.model,
       format_day(Time(std::chrono::microseconds(hold.started_at))), hold.started_at,
       now_.time_since_epoch().count(), charge.tokens.hit, charge.tokens.miss, charge.tokens.output,
       charge.charged, charge.from_granted, outcome});
  return charge;
}

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
    heartbeat();
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
