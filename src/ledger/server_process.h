// Names a process so that others on the same machine can tell that it died.
#pragma once

#include <string>

namespace fathom::ledger {

struct ServerProcess {
  std::string host;     ///< this boot of this machine, and the namespace of process numbers
  std::string process;  ///< number and start time
};

ServerProcess this_process();

/// True only when it is certain: the same host, and no such process there.
bool is_dead(const ServerProcess& server);

}  // namespace fathom::ledger
