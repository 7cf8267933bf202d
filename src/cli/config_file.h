// Settings in a TOML file, under the names of a command's flags.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace fathom::cli {

/// Gives each `name = value` of the file to the flag --name (or the argument NAME), unless the
/// command line did. Throws Error: kNotFound, kBadInput with the line for what is not TOML or no
/// value, kUsage for a name that is no flag of the command. Call it once the command line was
/// parsed.
void apply_config_file(CLI::App& command, const std::string& path);

}  // namespace fathom::cli
