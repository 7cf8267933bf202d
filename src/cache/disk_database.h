// The SQLite file under the context cache's disk store.
#pragma once

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "cache/prefix_key.h"

namespace fathom::cache {

/// What the database did not do as asked. Stays within the disk store.
struct DatabaseError {
  int code;
  std::string message;

  bool is_full() const { return (code & 0xFF) == SQLITE_FULL; }
  /// What the system refuses for now, as opposed to a file whose content makes no sense.
  bool is_passing() const;
};

/// One connection and its statements. Members throw DatabaseError. For one thread at a time.
class DiskDatabase {
 public:
  DiskDatabase() = default;
  ~DiskDatabase();
  DiskDatabase(const DiskDatabase&) = delete;
  DiskDatabase& operator=(const DiskDatabase&) = delete;

  /// Opens or makes the file, for this process alone.
  void open(const std::string& path, uint64_t budget_bytes);

  /// Calls row(key, used, bytes, page) from the least recently used on, until it returns false;
  /// whether all rows were seen and well-formed.
  template <typename Row>
  bool list(Row row);

  /// Calls read(bytes) with the entry of a page if there is one.
  template <typename Read>
  void read(int64_t page, Read read);

  /// Returns the page's number.
  int64_t insert(const PrefixKey& key, int64_t used, std::span<const std::byte> entry);
  void erase(const PrefixKey& key, int64_t page);
  /// Each key a microsecond later than the one before it, so that their order survives.
  void set_used(std::span<const PrefixKey> keys, int64_t used);

 private:
  void check(int code) const;
  void execute(const std::string& sql);
  int64_t query_number(const char* sql);
  sqlite3_stmt* prepare(const char* sql);
  template <typename... Values>
  void run(sqlite3_stmt* statement, const Values&... values);
  template <typename Work>
  void transaction(Work work);

  sqlite3* db_ = nullptr;
  sqlite3_stmt* list_ = nullptr;
  sqlite3_stmt* select_ = nullptr;
  sqlite3_stmt* add_page_ = nullptr;
  sqlite3_stmt* add_prefix_ = nullptr;
  sqlite3_stmt* update_ = nullptr;
  sqlite3_stmt* drop_prefix_ = nullptr;
  sqlite3_stmt* drop_page_ = nullptr;
};

template <typename Row>
bool DiskDatabase::list(Row row) {
  int code;
  while ((code = sqlite3_step(list_)) == SQLITE_ROW) {
    PrefixKey key;
    if (sqlite3_column_bytes(list_, 0) != static_cast<int>(key.bytes.size())) break;
    std::memcpy(key.bytes.data(), sqlite3_column_blob(list_, 0), key.bytes.size());
    if (!row(key, sqlite3_column_int64(list_, 1), sqlite3_column_int64(list_, 2),
             sqlite3_column_int64(list_, 3))) {
      break;
    }
  }
  sqlite3_reset(list_);
  return code == SQLITE_DONE;
}

template <typename Read>
void DiskDatabase::read(int64_t page, Read read) {
  sqlite3_bind_int64(select_, 1, page);
  const int code = sqlite3_step(select_);
  if (code == SQLITE_ROW) {
    const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(select_, 0));
    const auto size = static_cast<size_t>(sqlite3_column_bytes(select_, 0));
    if (bytes != nullptr) read(std::span(bytes, size));
  }
  sqlite3_reset(select_);
  check(code);
}

}  // namespace fathom::cache
