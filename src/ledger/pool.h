// The ledger's connections, lent to one thread at a time.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ledger/books.h"
#include "ledger/ledger.h"

namespace fathom::ledger {

class Ledger::Pool {
 public:
  explicit Pool(const Options& options) : options_(options) {
    idle_.push_back(open_database(options.address, options.durability));
    useful_writers_ = idle_.back()->useful_writers();
    useful_changes_ = idle_.back()->useful_changes();
    may_open_ = useful_writers_ - 1;
  }
  int useful_writers() const { return useful_writers_; }
  size_t useful_changes() const { return useful_changes_; }

  class Lease {
   public:
    explicit Lease(Pool& pool) : pool_(pool), database_(pool.take()) {}
    ~Lease() { pool_.give(std::move(database_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Database& operator*() { return *database_; }

   private:
    Pool& pool_;
    std::unique_ptr<Database> database_;
  };

 private:
  std::unique_ptr<Database> take() {
    std::unique_lock lock(mutex_);
    returned_.wait(lock, [&] { return !idle_.empty() || may_open_ > 0; });
    if (!idle_.empty()) {
      std::unique_ptr<Database> database = std::move(idle_.back());
      idle_.pop_back();
      return database;
    }
    --may_open_;
    lock.unlock();
    try {
      return open_database(options_.address, options_.durability);
    } catch (...) {
      lock.lock();
      ++may_open_;
      returned_.notify_one();
      throw;
    }
  }

  void give(std::unique_ptr<Database> database) {
    {
      const std::lock_guard lock(mutex_);
      idle_.push_back(std::move(database));
    }
    returned_.notify_one();
  }

  const Options& options_;
  int useful_writers_;
  size_t useful_changes_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Database>> idle_;
  int may_open_ = 0;
};

/// Runs operation(Database&) on a connection of the pool, again when the database asks for it.
template <typename Operation>
auto Ledger::run_on(Pool& pool, Operation operation) {
  constexpr int kTries = 5;
  Pool::Lease lease(pool);
  for (int attempt = 1;; ++attempt) {
    try {
      (*lease).ensure_connected();
      return operation(*lease);
    } catch (const RetryableDatabaseError&) {
      if (attempt == kTries) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10 << attempt));
  }
}

template <typename Operation>
auto Ledger::run(Operation operation) {
  return run_on(*pool_, operation);
}

/// The same for what writes nothing.
template <typename Operation>
auto Ledger::read(Operation operation) {
  return run_on(readers_ ? *readers_ : *pool_, operation);
}

/// Runs operation(Books&) in a transaction.
template <typename Operation>
void Ledger::change(Operation operation) {
  run([&](Database& db) {
    Books books(db, server_id_, now());
    operation(books);
    books.commit();
  });
}

}  // namespace fathom::ledger
