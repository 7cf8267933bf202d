#include "cli/ledger_options.h"

#include <CLI/CLI.hpp>

namespace fathom::cli {

void add_ledger_options(CLI::App& command, LedgerOptions& options) {
  command.add_option("--ledger", options.address,
                     "SQLite file or postgres:// address (default: $FATHOM_LEDGER, else "
                     "~/.local/share/fathom/ledger.db)");
  command.add_flag("--json", options.json, "Print JSON");
}

std::unique_ptr<ledger::Ledger> open_ledger(const LedgerOptions& options) {
  return std::make_unique<ledger::Ledger>(ledger::Ledger::Options{
      .address = options.address.empty() ? ledger::default_ledger_address() : options.address,
      .durability = ledger::Durability::kPower,
      .clock = {}});
}

}  // namespace fathom::cli
