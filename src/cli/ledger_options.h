// What `keys`, `account` and `serve` share: where the ledger is, and how an answer is printed.
#pragma once

#include <memory>
#include <string>

#include "ledger/ledger.h"

namespace CLI {
class App;
}

namespace fathom::cli {

struct LedgerOptions {
  std::string address;  ///< empty: the default
  bool json = false;
};

/// Adds --ledger and --json.
void add_ledger_options(CLI::App& command, LedgerOptions& options);

/// Opens it so that every change is on the disk when the command ends.
std::unique_ptr<ledger::Ledger> open_ledger(const LedgerOptions& options);

}  // namespace fathom::cli
