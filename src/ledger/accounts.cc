// Accounts, credits and keys.
#include <algorithm>

#include "base/error.h"
#include "ledger/api_key.h"
#include "ledger/ledger.h"
#include "ledger/pool.h"

namespace fathom::ledger {
namespace {

constexpr char kAccountColumns[] = "id, name, currency, granted, topped_up, held";
constexpr char kSelectKeys[] =
    "SELECT k.id, k.account_id, a.name, k.name, k.hint, k.created_at, k.revoked_at, k.hash "
    "FROM api_keys k JOIN accounts a ON a.id = k.account_id ";

Time from_micros(int64_t micros) { return Time(std::chrono::microseconds(micros)); }

Account read_account(const Row& row) {
  return {.id = row.integer(0),
          .name = row.text(1),
          .currency = parse_currency(row.text(2)),
          .granted = row.integer(3),
          .topped_up = row.integer(4),
          .held = row.integer(5)};
}

ApiKey read_key(const Row& row) {
  ApiKey key{.id = row.integer(0),
             .account_id = row.integer(1),
             .account = row.text(2),
             .name = row.text(3),
             .hint = row.text(4),
             .created = from_micros(row.integer(5)),
             .revoked = {}};
  if (!row.is_null(6)) key.revoked = from_micros(row.integer(6));
  return key;
}

Account find_account(Database& db, const std::string& name) {
  const auto rows =
      db.query(std::string("SELECT ") + kAccountColumns + " FROM accounts WHERE name = $1", {name});
  if (rows.empty()) fail(ErrorKind::kNotFound, "account '{}': no such account", name);
  return read_account(rows[0]);
}

void check_name(std::string_view what, const std::string& name) {
  const bool printable = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  if (name.empty() || name.size() > 128 || !printable) {
    fail(ErrorKind::kUsage, "{} name: expected 1 to 128 bytes without control characters", what);
  }
}

std::string credit_kind(bool granted) { return granted ? "grant" : "topup"; }

// A reference names one payment: another amount under it, or to another account, is a mistake.
void check_credit_is(Database& db, const std::string& reference, const Account& account,
                     Nano amount, bool granted) {
  const auto rows = db.query(
      "SELECT c.account_id, c.kind, c.amount, a.name, a.currency FROM credits c "
      "JOIN accounts a ON a.id = c.account_id WHERE c.reference = $1",
      {reference});
  const Row& known = rows.at(0);
  if (known.integer(0) == account.id && known.text(1) == credit_kind(granted) &&
      known.integer(2) == amount) {
    return;
  }
  fail(ErrorKind::kConflict, "reference '{}': used before, for a {} of {} {} to account '{}'",
       reference, known.text(1), format_exact(known.integer(2)), known.text(4), known.text(3));
}

}  // namespace

Account Ledger::create_account(const std::string& name, Currency currency) {
  check_name("account", name);
  return run([&](Database& db) {
    try {
      const auto rows = db.query(
          std::string("INSERT INTO accounts (name, currency, created_at) VALUES ($1, $2, $3) "
                      "RETURNING ") +
              kAccountColumns,
          {name, std::string(currency_name(currency)), now().time_since_epoch().count()});
      return read_account(rows[0]);
    } catch (const ConstraintError&) {
      fail(ErrorKind::kConflict, "account '{}': the name is taken", name);
    }
  });
}

Account Ledger::account(const std::string& name) {
  return run([&](Database& db) { return find_account(db, name); });
}

Account Ledger::account(int64_t id) {
  return run([&](Database& db) {
    const auto rows =
        db.query(std::string("SELECT ") + kAccountColumns + " FROM accounts WHERE id = $1", {id});
    if (rows.empty()) fail(ErrorKind::kNotFound, "account {}: no such account", id);
    return read_account(rows[0]);
  });
}

std::vector<Account> Ledger::accounts() {
  return run([&](Database& db) {
    std::vector<Account> accounts;
    for (const Row& row :
         db.query(std::string("SELECT ") + kAccountColumns + " FROM accounts ORDER BY id", {})) {
      accounts.push_back(read_account(row));
    }
    return accounts;
  });
}

Account Ledger::add_credit(const std::string& name, Nano amount, const std::string& reference,
                           bool granted) {
  if (amount <= 0) fail(ErrorKind::kUsage, "amount: expected more than 0");
  return run([&](Database& db) {
    Transaction transaction(db);
    const Account account = find_account(db, name);
    const auto added = db.query(
        "INSERT INTO credits (reference, account_id, kind, amount, created_at) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (reference) DO NOTHING RETURNING reference",
        {reference, account.id, credit_kind(granted), amount, now().time_since_epoch().count()});
    if (added.empty()) {
      check_credit_is(db, reference, account, amount, granted);
    } else {
      // Half of the range is beyond any real balance and keeps every sum of two within it.
      constexpr Nano kMost = INT64_MAX / 2;
      if (amount > kMost - account.total()) {
        fail(ErrorKind::kUsage, "account '{}': the balance would be beyond {}", name,
             format_two_decimals(kMost));
      }
      db.query(granted ? "UPDATE accounts SET granted = granted + $1 WHERE id = $2"
                       : "UPDATE accounts SET topped_up = topped_up + $1 WHERE id = $2",
               {amount, account.id});
    }
    const Account after = find_account(db, name);
    transaction.commit();
    return after;
  });
}

Account Ledger::top_up(const std::string& name, Nano amount, const std::string& reference) {
  return add_credit(name, amount, reference, false);
}

Account Ledger::grant(const std::string& name, Nano amount, const std::string& reference) {
  return add_credit(name, amount, reference, true);
}

NewApiKey Ledger::create_key(const std::string& account, const std::string& name) {
  check_name("key", name);
  const std::string secret = new_api_key();
  return run([&](Database& db) {
    const Account owner = find_account(db, account);
    try {
      db.query(
          "INSERT INTO api_keys (account_id, name, hash, hint, created_at) "
          "VALUES ($1, $2, $3, $4, $5)",
          {owner.id, name, hash_api_key(secret), api_key_hint(secret),
           now().time_since_epoch().count()});
    } catch (const ConstraintError&) {
      fail(ErrorKind::kConflict, "key '{}': the name is taken", name);
    }
    const auto rows =
        db.query(std::string(kSelectKeys) + "WHERE k.hash = $1", {hash_api_key(secret)});
    return NewApiKey{read_key(rows.at(0)), secret};
  });
}

std::vector<ApiKey> Ledger::keys() {
  return run([&](Database& db) {
    std::vector<ApiKey> keys;
    for (const Row& row : db.query(std::string(kSelectKeys) + "ORDER BY k.id", {})) {
      keys.push_back(read_key(row));
    }
    return keys;
  });
}

ApiKey Ledger::revoke_key(const std::string& which) {
  return run([&](Database& db) {
    const std::string hash = hash_api_key(which);
    const std::vector<Row> found = db.query(
        std::string(kSelectKeys) +
            "WHERE k.name = $1 OR k.hash = $2 OR CAST(k.id AS TEXT) = $3 ORDER BY k.name = $4 DESC",
        {which, hash, which, which});
    if (found.empty()) fail(ErrorKind::kNotFound, "key '{}': no such key", which);
    ApiKey key = read_key(found[0]);
    if (!key.revoked) {
      key.revoked = now();
      db.query("UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
               {key.revoked->time_since_epoch().count(), key.id});
    }
    return key;
  });
}

std::optional<ApiKey> Ledger::authenticate(std::string_view secret) {
  // The index compares hashes, which a guesser cannot steer towards a stored one; how long it takes
  // therefore tells nothing about any key.
  const std::string hash = hash_api_key(secret);
  return read([&](Database& db) -> std::optional<ApiKey> {
    const auto rows = db.query(std::string(kSelectKeys) + "WHERE k.hash = $1", {hash});
    const std::string stored = rows.empty() ? std::string(hash.size(), '-') : rows[0].text(7);
    const bool equal = equal_in_constant_time(hash, stored);
    if (!equal || !rows[0].is_null(6)) return std::nullopt;
    return read_key(rows[0]);
  });
}

bool Ledger::has_keys() {
  return read(
      [&](Database& db) { return !db.query("SELECT id FROM api_keys LIMIT 1", {}).empty(); });
}

}  // namespace fathom::ledger
