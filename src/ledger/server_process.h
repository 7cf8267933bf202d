// Names a process so that others on the same machine can tell that it died.
#pragma once

#include <optional>
#include <string>

namespace fathom::ledger {

struct ServerProcess {
  std::string host;     ///< this boot of this machine, and the namespace of process numbers
  std::string process;  ///< number and start time
};

ServerProcess this_process();

/// Whether it does, where that is certain: of another process on the same host. (This one may have
/// been several servers.)
std::optional<bool> process_lives(const ServerProcess& server);

}  // namespace fathom::ledger
