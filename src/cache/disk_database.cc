#include "cache/disk_database.h"

#include <algorithm>

namespace fathom::cache {
namespace {

constexpr int64_t kDatabasePage = 65536;  // SQLite's largest: fewest links to follow in a long blob
constexpr int kLogPages = 256;            // of the write-ahead log before it is folded in: 16 MiB
constexpr int kSchemaVersion = 1;

void bind(sqlite3_stmt* statement, int at, int64_t number) {
  sqlite3_bind_int64(statement, at, number);
}

void bind(sqlite3_stmt* statement, int at, const PrefixKey& key) {
  sqlite3_bind_blob(statement, at, key.bytes.data(), key.bytes.size(), SQLITE_STATIC);
}

void bind(sqlite3_stmt* statement, int at, std::span<const std::byte> bytes) {
  sqlite3_bind_blob64(statement, at, bytes.data(), bytes.size(), SQLITE_STATIC);
}

}  // namespace

bool DatabaseError::is_passing() const {
  switch (code & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_BUSY:
    case SQLITE_CANTOPEN:
    case SQLITE_TOOBIG:
      return true;
    default:
      return false;
  }
}

void DiskDatabase::open(const std::string& path, uint64_t budget_bytes) {
  check(sqlite3_open_v2(path.c_str(), &db_,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr));
  execute("PRAGMA page_size=" + std::to_string(kDatabasePage));
  execute("PRAGMA locking_mode=EXCLUSIVE");
  execute("PRAGMA journal_mode=WAL");
  execute("PRAGMA synchronous=NORMAL");  // a power cut may lose entries, not the file
  execute("PRAGMA wal_autocheckpoint=" + std::to_string(kLogPages));
  execute("PRAGMA journal_size_limit=" + std::to_string(kLogPages * kDatabasePage));
  execute("PRAGMA cell_size_check=ON");
  execute("PRAGMA trusted_schema=OFF");
  execute("PRAGMA cache_size=-8192");
  // Rounding each entry up to database pages may take as much again.
  const uint64_t pages = std::clamp<uint64_t>(budget_bytes / kDatabasePage * 2, 16, 1u << 30);
  execute("PRAGMA max_page_count=" + std::to_string(pages));
  const int64_t version = query_number("PRAGMA user_version");
  if (version != 0 && version != kSchemaVersion) {
    throw DatabaseError{SQLITE_CORRUPT, "version " + std::to_string(version)};
  }
  // The long entry lies apart from what each use updates: SQLite rewrites whole rows.
  execute(
      "CREATE TABLE IF NOT EXISTS prefix(key BLOB PRIMARY KEY, used INTEGER NOT NULL, "
      "bytes INTEGER NOT NULL, page INTEGER NOT NULL) WITHOUT ROWID");
  execute("CREATE TABLE IF NOT EXISTS page(id INTEGER PRIMARY KEY, entry BLOB NOT NULL)");
  execute("PRAGMA user_version=" + std::to_string(kSchemaVersion));

  list_ = prepare("SELECT key, used, bytes, page FROM prefix ORDER BY used");
  select_ = prepare("SELECT entry FROM page WHERE id=?");
  add_page_ = prepare("INSERT INTO page(entry) VALUES(?)");
  add_prefix_ = prepare("INSERT OR REPLACE INTO prefix(key, used, bytes, page) VALUES(?,?,?,?)");
  update_ = prepare("UPDATE prefix SET used=? WHERE key=?");
  drop_prefix_ = prepare("DELETE FROM prefix WHERE key=?");
  drop_page_ = prepare("DELETE FROM page WHERE id=?");
}

DiskDatabase::~DiskDatabase() {
  for (sqlite3_stmt* statement :
       {list_, select_, add_page_, add_prefix_, update_, drop_prefix_, drop_page_}) {
    sqlite3_finalize(statement);
  }
  sqlite3_close(db_);
}

int64_t DiskDatabase::insert(const PrefixKey& key, int64_t used, std::span<const std::byte> entry) {
  int64_t page = 0;
  transaction([&] {
    run(add_page_, entry);
    page = sqlite3_last_insert_rowid(db_);
    run(add_prefix_, key, used, static_cast<int64_t>(entry.size()), page);
  });
  return page;
}

void DiskDatabase::erase(const PrefixKey& key, int64_t page) {
  transaction([&] {
    run(drop_prefix_, key);
    run(drop_page_, page);
  });
}

void DiskDatabase::set_used(std::span<const PrefixKey> keys, int64_t used) {
  transaction([&] {
    for (const PrefixKey& key : keys) run(update_, used++, key);
  });
}

void DiskDatabase::check(int code) const {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
    throw DatabaseError{code, db_ != nullptr ? sqlite3_errmsg(db_) : sqlite3_errstr(code)};
  }
}

void DiskDatabase::execute(const std::string& sql) {
  check(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr));
}

int64_t DiskDatabase::query_number(const char* sql) {
  sqlite3_stmt* statement = prepare(sql);
  const int code = sqlite3_step(statement);
  const int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
  sqlite3_finalize(statement);
  check(code);
  return number;
}

sqlite3_stmt* DiskDatabase::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  check(sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr));
  return statement;
}

// Binds, steps once and resets.
template <typename... Values>
void DiskDatabase::run(sqlite3_stmt* statement, const Values&... values) {
  int at = 0;
  (bind(statement, ++at, values), ...);
  const int code = sqlite3_step(statement);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  check(code);
}

// All or nothing.
template <typename Work>
void DiskDatabase::transaction(Work work) {
  execute("BEGIN");
  try {
    work();
    execute("COMMIT");
  } catch (const DatabaseError&) {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

}  // namespace fathom::cache
