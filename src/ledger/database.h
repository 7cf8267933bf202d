// One connection to SQLite or PostgreSQL, behind the few calls that the ledger needs. SQL is the
// common part of both, with parameters $1, $2, ... in order of first use.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"

namespace fathom::ledger {

/// SQL's NULL, BIGINT and TEXT.
using Value = std::variant<std::monostate, int64_t, std::string>;

class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  /// Abort on another type: the schema is ours.
  int64_t integer(size_t column) const { return std::get<int64_t>(values_.at(column)); }
  const std::string& text(size_t column) const { return std::get<std::string>(values_.at(column)); }
  bool is_null(size_t column) const {
    return std::holds_alternative<std::monostate>(values_.at(column));
  }

 private:
  std::vector<Value> values_;
};

/// The connection broke, or another transaction was preferred: the transaction did not happen, or
/// (when COMMIT's answer was lost) may have. The ledger's operations are idempotent, so it retries.
class RetryableDatabaseError : public Error {
 public:
  explicit RetryableDatabaseError(const std::string& message) : Error(ErrorKind::kIo, message) {}
};

/// A row breaks UNIQUE, FOREIGN KEY or CHECK.
class ConstraintError : public Error {
 public:
  explicit ConstraintError(const std::string& message) : Error(ErrorKind::kConflict, message) {}
};

/// Used by one thread at a time. Every call throws Error(kIo) or one of the two above.
class Database {
 public:
  virtual ~Database() = default;

  virtual std::vector<Row> query(const std::string& sql, std::initializer_list<Value> values) = 0;
  /// Several statements without parameters.
  virtual void execute(const std::string& sql) = 0;

  /// Connects again when the connection broke. Call it outside a transaction.
  virtual void ensure_connected() = 0;
  /// Starts a transaction that may write. Reads in it see the last committed state.
  virtual void begin() = 0;
  virtual void commit() = 0;
  /// Never throws; a transaction that cannot be rolled back ends with its connection.
  virtual void rollback() noexcept = 0;

  /// What follows a SELECT to lock the rows until the transaction's end; SQLite needs nothing, its
  /// writers take turns.
  virtual std::string_view for_update() const = 0;
  /// The type of a column that numbers its rows.
  virtual std::string_view serial_primary_key() const = 0;
  /// How many connections that write serve a server well.
  virtual int useful_writers() const = 0;
  /// How many changes do well to share a transaction.
  virtual size_t useful_changes() const = 0;
};

/// Rolls back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(&database) { database.begin(); }
  ~Transaction() {
    if (database_) database_->rollback();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    database_->commit();
    database_ = nullptr;
  }

 private:
  Database* database_;
};

/// Whether each commit waits for the disk. kProcess survives a kill at any instant; kPower also a
/// power cut.
enum class Durability { kProcess, kPower };

/// $FATHOM_LEDGER, or fathom/ledger.db in the user's data folder, which is made (mode 700).
std::string default_ledger_address();

/// `address` is "postgres://..." (libpq's URI), or the path of an SQLite file, made when missing.
std::unique_ptr<Database> open_database(const std::string& address, Durability durability);
std::unique_ptr<Database> open_sqlite(const std::string& path, Durability durability);
std::unique_ptr<Database> open_postgres(const std::string& uri, Durability durability);

}  // namespace fathom::ledger
