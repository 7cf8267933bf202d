#include "ledger/books.h"

#include <algorithm>

#include "base/error.h"

namespace fathom::ledger {
namespace {

const std::string kHoldColumns =
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

std::optional<Charge> find_charge(Database& db, const std::string& request_id) {
  static const std::string kSelect =
      "SELECT hit_tokens, miss_tokens, output_tokens, charged, from_granted, outcome "
      "FROM usage WHERE request_id = $1";
  const auto rows = db.query(kSelect, {request_id});
  if (rows.empty()) return std::nullopt;
  const Row& row = rows[0];
  return Charge{{row.integer(0), row.integer(1), row.integer(2)},
                row.integer(3),
                row.integer(4),
                row.text(5)};
}

Books::Books(Database& db, const std::string& server_id, Time now)
    : db_(db), transaction_(db), server_id_(server_id), now_(now) {}

void Books::commit() {
  static const std::string kUpdate =
      "UPDATE accounts SET granted = $1, topped_up = $2, held = $3 WHERE id = $4";
  for (const auto& [before, account] : accounts_) {
    if (account == before) continue;
    db_.query(kUpdate, {account.granted, account.topped_up, account.held, account.id});
  }
  transaction_.commit();
}

/// Locks the account's row until the transaction ends.
Account& Books::account(int64_t id) {
  const auto known =
      std::ranges::find(accounts_, id, [](const InUse& used) { return used.now.id; });
  if (known != accounts_.end()) return known->now;
  const auto rows =
      db_.query("SELECT currency, granted, topped_up, held FROM accounts WHERE id = $1" +
                    std::string(db_.for_update()),
                {id});
  if (rows.empty()) fail(ErrorKind::kNotFound, "account {}: no such account", id);
  const Account read{.id = id,
                     .name = "",
                     .currency = parse_currency(rows[0].text(0)),
                     .granted = rows[0].integer(1),
                     .topped_up = rows[0].integer(2),
                     .held = rows[0].integer(3)};
  return accounts_.emplace_back(InUse{read, read}).now;
}

/// Locks the hold's row until the transaction ends.
std::optional<StoredHold> Books::find_hold(const std::string& request_id) {
  const auto rows = db_.query("SELECT " + kHoldColumns + " FROM holds WHERE request_id = $1" +
                                  std::string(db_.for_update()),
                              {request_id});
  if (rows.empty()) return std::nullopt;
  return read_hold(rows[0]);
}

std::optional<Hold> Books::open_hold(const HoldRequest& request) {
  check_counts(request.worst);
  if (const auto known = find_hold(request.request_id)) {
    return Hold{request.request_id, known->prices,
                covered_output(known->amount, known->prices, {0, request.worst.miss, 0})};
  }
  if (find_charge(db_, request.request_id)) {
    fail(ErrorKind::kConflict, "request {}: already settled", request.request_id);
  }

  Account& account = this->account(request.account_id);
  const Prices prices = prices_at(account.currency, now_);
  const Nano prompt = prices.cost({request.worst.hit, request.worst.miss, 0});
  const Nano affordable = std::max<Nano>(0, account.available() - prompt) / prices.output;
  const int64_t output = std::min(request.worst.output, affordable);
  const bool enough = account.available() >= prompt && output >= 1;
  if (!enough || (request.all_or_nothing && output < request.worst.output)) return std::nullopt;

  const Nano amount = prompt + output * prices.output;
  account.held += amount;
  static const std::string kInsert =
      "INSERT INTO holds (request_id, server_id, account_id, key_id, model, started_at, amount, "
      "hit_price, miss_price, output_price) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
  db_.query(kInsert,
            {request.request_id, server_id_, request.account_id, request.key_id, request.model,
             now_.time_since_epoch().count(), amount, prices.hit, prices.miss, prices.output});
  return Hold{request.request_id, prices, output};
}

int64_t Books::extend_hold(const std::string& request_id, const Tokens& used, int64_t more_output) {
  check_counts(used);
  const auto hold = find_hold(request_id);
  if (!hold) {
    const std::optional<Charge> settled = find_charge(db_, request_id);
    if (!settled) fail(ErrorKind::kNotFound, "request {}: no open hold", request_id);
    return settled->tokens.output;
  }
  const Nano wanted = hold->prices.cost({used.hit, used.miss, used.output + more_output});
  Nano added = 0;
  if (more_output > 0 && wanted > hold->amount) {
    Account& account = this->account(hold->account_id);
    added = std::min(wanted - hold->amount, account.available());
    account.held += added;
  }
  // What is noted here is what a crash charges, so it never exceeds the hold.
  Tokens noted = used;
  noted.output = std::min(used.output, covered_output(hold->amount + added, hold->prices, used));
  if (hold->prices.cost(noted) > hold->amount + added) noted = hold->used;
  static const std::string kUpdate =
      "UPDATE holds SET amount = amount + $1, hit_tokens = $2, miss_tokens = $3, "
      "output_tokens = $4 WHERE request_id = $5";
  db_.query(kUpdate, {added, noted.hit, noted.miss, noted.output, request_id});
  return covered_output(hold->amount + added, hold->prices, used);
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
/// once: of two transactions that lock it, one finds no row. (DELETE with RETURNING would do both,
/// and takes SQLite four times as long.)
Charge Books::charge(const std::string& request_id, const std::optional<Tokens>& used,
                     const std::string& outcome) {
  const auto hold = find_hold(request_id);
  if (!hold) {
    const std::optional<Charge> settled = find_charge(db_, request_id);
    if (!settled) fail(ErrorKind::kNotFound, "request {}: no hold", request_id);
    return *settled;
  }
  static const std::string kDelete = "DELETE FROM holds WHERE request_id = $1";
  db_.query(kDelete, {request_id});
  Account& account = this->account(hold->account_id);
  Charge charge{.tokens = used.value_or(hold->used), .outcome = outcome};
  charge.charged = std::min(hold->prices.cost(charge.tokens), hold->amount + account.available());
  charge.from_granted = std::min(charge.charged, account.granted);
  account.granted -= charge.from_granted;
  account.topped_up -= charge.charged - charge.from_granted;
  account.held -= hold->amount;
  static const std::string kInsert =
      "INSERT INTO usage (request_id, account_id, key_id, model, day, started_at, settled_at, "
      "hit_tokens, miss_tokens, output_tokens, charged, from_granted, outcome) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
  db_.query(kInsert,
            {request_id, hold->account_id, hold->key_id, hold->model,
             format_day(Time(std::chrono::microseconds(hold->started_at))), hold->started_at,
             now_.time_since_epoch().count(), charge.tokens.hit, charge.tokens.miss,
             charge.tokens.output, charge.charged, charge.from_granted, outcome});
  return charge;
}

}  // namespace fathom::ledger
