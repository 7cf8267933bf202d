#include "ledger/ledger.h"

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

void Ledger::register_server(Database& db) {
  const ServerProcess self = this_process();
  db.query(
      "INSERT INTO servers (id, host, process, seen_at) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
      {server_id_, self.host, self.process, now().time_since_epoch().count()});
}

void Ledger::heartbeat() {
  run([&](Database& db) { register_server(db); });
}

int64_t Ledger::recover() {
  return run([&](Database& db) {
    const int64_t expired = (now() - options_.lease).time_since_epoch().count();
    int64_t recovered = 0;
    for (const Row& server : db.query("SELECT id, host, process, seen_at FROM servers", {})) {
      const std::string& id = server.text(0);
      const bool dead = id != server_id_ &&
                        (server.integer(3) < expired || is_dead({server.text(1), server.text(2)}));
      if (!dead) continue;
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
