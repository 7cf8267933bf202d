#include "ledger/schema.h"

#include <fmt/format.h>

#include <optional>

namespace fathom::ledger {
namespace {

constexpr int64_t kVersion = 1;

// {0} is the type of a numbering primary key.
constexpr char kTables[] = R"sql(
CREATE TABLE accounts (
  id {0},
  name TEXT NOT NULL UNIQUE,
  currency TEXT NOT NULL CHECK (currency IN ('CNY', 'USD')),
  granted BIGINT NOT NULL DEFAULT 0 CHECK (granted >= 0),
  topped_up BIGINT NOT NULL DEFAULT 0 CHECK (topped_up >= 0),
  held BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),
  created_at BIGINT NOT NULL,
  CHECK (held <= granted + topped_up)
);
CREATE TABLE api_keys (
  id {0},
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT
);
CREATE TABLE credits (
  reference TEXT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL CHECK (kind IN ('grant', 'topup')),
  amount BIGINT NOT NULL CHECK (amount > 0),
  created_at BIGINT NOT NULL
);
CREATE TABLE servers (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  process TEXT NOT NULL,
  seen_at BIGINT NOT NULL
);
CREATE TABLE holds (
  request_id TEXT PRIMARY KEY,
  server_id TEXT NOT NULL REFERENCES servers (id),
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  key_id BIGINT NOT NULL REFERENCES api_keys (id),
  model TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount >= 0),
  hit_price BIGINT NOT NULL,
  miss_price BIGINT NOT NULL,
  output_price BIGINT NOT NULL,
  hit_tokens BIGINT NOT NULL DEFAULT 0,
  miss_tokens BIGINT NOT NULL DEFAULT 0,
  output_tokens BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX holds_by_server ON holds (server_id);
CREATE TABLE usage (
  request_id TEXT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  key_id BIGINT NOT NULL REFERENCES api_keys (id),
  model TEXT NOT NULL,
  day TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  settled_at BIGINT NOT NULL,
  hit_tokens BIGINT NOT NULL,
  miss_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  charged BIGINT NOT NULL CHECK (charged >= 0),
  from_granted BIGINT NOT NULL CHECK (from_granted >= 0),
  outcome TEXT NOT NULL
);
CREATE INDEX usage_by_day ON usage (account_id, day);
CREATE TABLE ledger_version (version BIGINT NOT NULL);
)sql";

std::optional<int64_t> read_version(Database& db) {
  try {
    const auto rows = db.query("SELECT version FROM ledger_version", {});
    if (!rows.empty()) return rows[0].integer(0);
  } catch (const RetryableDatabaseError&) {
    throw;
  } catch (const Error&) {
    // No such table: a new database.
  }
  return std::nullopt;
}

void make_tables(Database& db) {
  Transaction transaction(db);
  db.execute(fmt::format(kTables, db.serial_primary_key()));
  db.query("INSERT INTO ledger_version (version) VALUES ($1)", {kVersion});
  transaction.commit();
}

}  // namespace

void prepare_schema(Database& db) {
  std::optional<int64_t> version = read_version(db);
  if (!version) {
    try {
      make_tables(db);
    } catch (const Error&) {
      // Another process may have made them meanwhile; if not, the reason stands.
      version = read_version(db);
      if (!version) throw;
    }
    if (!version) return;
  }
  if (*version != kVersion) {
    fail(ErrorKind::kUnsupported, "ledger: schema version {}, this program knows {}", *version,
         kVersion);
  }
}

}  // namespace fathom::ledger
