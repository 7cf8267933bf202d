#include "ledger/ledger.h"

#include "base/error.h"
#include "ledger/api_key.h"
#include "ledger/pool.h"
#include "ledger/schema.h"
#include "ledger/server_process.h"

namespace fathom::ledger {

Ledger::Ledger(Options options)
    : options_(std::move(options)),
      server_id_(new_uuid()),
      pool_(std::make_unique<Pool>(options_)) {
  if (!options_.clock) {
    options_.clock = [] {
      return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    };
  }
  run([](Database& db) { prepare_schema(db); });
  // Where writers take turns, those who only read need not wait for them.
  if (useful_writers() == 1) readers_ = std::make_unique<Pool>(options_);
}

Ledger::~Ledger() = default;

size_t Ledger::useful_changes() const { return pool_->useful_changes(); }
int Ledger::useful_writers() const { return pool_->useful_writers(); }

Time Ledger::now() const { return options_.clock(); }

void Ledger::register_server() {
  const ServerProcess self = this_process();
  run([&](Database& db) {
    db.query(
        "INSERT INTO servers (id, host, process, seen_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        {server_id_, self.host, self.process, now().time_since_epoch().count()});
  });
}

void Ledger::heartbeat() {
  register_server();
  settle_kept();
}

void Ledger::settle_later(const std::string& request_id, const Tokens& used,
                          const std::string& outcome) {
  const std::lock_guard lock(kept_mutex_);
  kept_.push_back({request_id, used, outcome});
}

void Ledger::settle_kept() {
  for (;;) {
    std::optional<Settlement> next;
    {
      const std::lock_guard lock(kept_mutex_);
      if (kept_.empty()) return;
      next = std::move(kept_.back());
      kept_.pop_back();
    }
    try {
      settle(next->request_id, next->used, next->outcome);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kIo) throw;  // will never be taken
      settle_later(next->request_id, next->used, next->outcome);
      throw;
    }
  }
}

int64_t Ledger::recover() {
  return run([&](Database& db) {
    const int64_t expired = (now() - options_.lease).time_since_epoch().count();
    int64_t recovered = 0;
    for (const Row& server : db.query("SELECT id, host, process, seen_at FROM servers", {})) {
      const std::string& id = server.text(0);
      if (id == server_id_) continue;
      const std::optional<bool> lives = process_lives({server.text(1), server.text(2)});
      if (lives.value_or(server.integer(3) >= expired)) continue;
      for (const Row& hold : db.query("SELECT request_id FROM holds WHERE server_id = $1", {id})) {
        Books books(db, server_id_, now());
        books.settle_as_noted(hold.text(0), "server_lost");
        books.commit();
        ++recovered;
      }
      // A server that was only slow may have opened another meanwhile; it then keeps its row.
      try {
        db.query("DELETE FROM servers WHERE id = $1", {id});
      } catch (const ConstraintError&) {
      }
    }
    return recovered;
  });
}

}  // namespace fathom::ledger
