#include <sqlite3.h>

#include <map>

#include "base/check.h"
#include "ledger/database.h"

namespace fathom::ledger {
namespace {

constexpr int kBusyMilliseconds = 15'000;

class SqliteDatabase : public Database {
 public:
  SqliteDatabase(const std::string& path, Durability durability) : path_(path) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
      const std::string reason = db_ ? sqlite3_errmsg(db_) : "out of memory";
      sqlite3_close(db_);
      fail(ErrorKind::kIo, "ledger {}: {}", path, reason);
    }
    try {
      sqlite3_extended_result_codes(db_, 1);
      sqlite3_busy_timeout(db_, kBusyMilliseconds);
      execute("PRAGMA journal_mode=WAL; PRAGMA foreign_keys=ON;");
      execute(durability == Durability::kPower ? "PRAGMA synchronous=FULL"
                                               : "PRAGMA synchronous=NORMAL");
    } catch (...) {
      sqlite3_close(db_);
      throw;
    }
  }

  ~SqliteDatabase() override {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }

  std::vector<Row> query(const std::string& sql, std::initializer_list<Value> values) override {
    sqlite3_stmt* statement = prepared(sql);
    const Reset reset{statement};
    bind(statement, values);
    std::vector<Row> rows;
    for (;;) {
      const int code = sqlite3_step(statement);
      if (code == SQLITE_DONE) return rows;
      if (code != SQLITE_ROW) raise(code);
      rows.push_back(read_row(statement));
    }
  }

  void execute(const std::string& sql) override {
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) raise(code);
  }

  void ensure_connected() override {}
  void begin() override { query("BEGIN IMMEDIATE", {}); }
  void commit() override { query("COMMIT", {}); }
  void rollback() noexcept override {
    try {
      if (!sqlite3_get_autocommit(db_)) query("ROLLBACK", {});
    } catch (const Error&) {
      // The transaction then ends when the connection does.
    }
  }

  std::string_view for_update() const override { return ""; }
  std::string_view serial_primary_key() const override {
    return "INTEGER PRIMARY KEY AUTOINCREMENT";
  }
  int useful_writers() const override { return 1; }
  /// Writers take turns anyway, and a transaction costs several times what a change does.
  size_t useful_changes() const override { return 128; }

 private:
  struct Reset {
    sqlite3_stmt* statement;
    ~Reset() {
      sqlite3_reset(statement);
      sqlite3_clear_bindings(statement);
    }
  };

  sqlite3_stmt* prepared(const std::string& sql) {
    const auto found = statements_.find(sql);
    if (found != statements_.end()) return found->second;
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_, sql.c_str(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) raise(code);
    statements_.emplace(sql, statement);
    return statement;
  }

  void bind(sqlite3_stmt* statement, std::initializer_list<Value> values) {
    // "$1" is a name to SQLite, which counts names in the order in which they first appear: as we.
    FATHOM_CHECK(sqlite3_bind_parameter_count(statement) == std::ssize(values));
    int at = 0;
    for (const Value& value : values) {
      ++at;
      int code = SQLITE_OK;
      if (const auto* integer = std::get_if<int64_t>(&value)) {
        code = sqlite3_bind_int64(statement, at, *integer);
      } else if (const auto* text = std::get_if<std::string>(&value)) {
        code = sqlite3_bind_text64(statement, at, text->data(), text->size(), SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
      }
      if (code != SQLITE_OK) raise(code);
    }
  }

  static Row read_row(sqlite3_stmt* statement) {
    std::vector<Value> values(sqlite3_column_count(statement));
    for (int i = 0; i < static_cast<int>(values.size()); ++i) {
      switch (sqlite3_column_type(statement, i)) {
        case SQLITE_INTEGER:
          values[i] = int64_t{sqlite3_column_int64(statement, i)};
          break;
        case SQLITE_TEXT:
          values[i] = std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, i)),
                                  sqlite3_column_bytes(statement, i));
          break;
        default:
          break;
      }
    }
    return Row(std::move(values));
  }

  [[noreturn]] void raise(int code) {
    const std::string message = "ledger " + path_ + ": " + sqlite3_errmsg(db_);
    switch (code & 0xFF) {
      case SQLITE_CONSTRAINT:
        throw ConstraintError(message);
      case SQLITE_BUSY:
      case SQLITE_LOCKED:
        throw RetryableDatabaseError(message);
      default:
        throw Error(ErrorKind::kIo, message);
    }
  }

  std::string path_;
  sqlite3* db_ = nullptr;
  std::map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace

std::unique_ptr<Database> open_sqlite(const std::string& path, Durability durability) {
  return std::make_unique<SqliteDatabase>(path, durability);
}

}  // namespace fathom::ledger
