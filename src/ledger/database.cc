#include "ledger/database.h"

#include <cstdlib>
#include <filesystem>

namespace fathom::ledger {

std::string default_ledger_address() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  if (const std::string address = variable("FATHOM_LEDGER"); !address.empty()) return address;
  std::filesystem::path data = variable("XDG_DATA_HOME");
  if (data.empty()) {
    const std::string home = variable("HOME");
    if (home.empty()) fail(ErrorKind::kUsage, "no home folder: name the ledger with --ledger");
    data = std::filesystem::path(home) / ".local" / "share";
  }
  const std::filesystem::path folder = data / "fathom";
  std::error_code error;
  if (std::filesystem::create_directories(folder, error)) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  if (error) fail(ErrorKind::kIo, "{}: {}", folder.string(), error.message());
  return (folder / "ledger.db").string();
}

std::unique_ptr<Database> open_database(const std::string& address, Durability durability) {
  if (address.starts_with("postgres://") || address.starts_with("postgresql://")) {
    return open_postgres(address, durability);
  }
  if (const size_t scheme = address.find("://"); scheme != std::string::npos) {
    fail(ErrorKind::kUsage, "ledger {}...: expected a file, or an address postgres://...",
         address.substr(0, scheme + 3));
  }
  if (address == ":memory:") {
    fail(ErrorKind::kUsage, "ledger {}: expected a file: the connections share one", address);
  }
  return open_sqlite(address, durability);
}

}  // namespace fathom::ledger
