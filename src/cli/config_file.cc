#include "cli/config_file.h"

#include <toml++/toml.h>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "io/file_system.h"

namespace fathom::cli {
namespace {

[[noreturn]] void refuse(const std::string& path, const toml::source_region& where,
                         const std::string& problem) {
  fail(ErrorKind::kUsage, "{}:{}: {}", path, where.begin.line, problem);
}

/// As it would be on the command line.
std::string argument(const std::string& path, const std::string& name, const toml::node& value) {
  if (const auto text = value.value_exact<std::string>()) return *text;
  if (const auto flag = value.value_exact<bool>()) return *flag ? "true" : "false";
  if (const auto whole = value.value_exact<int64_t>()) return std::to_string(*whole);
  if (const auto number = value.value_exact<double>()) return fmt::format("{}", *number);
  refuse(path, value.source(), name + ": expected a string, a number, true or false");
}

}  // namespace

void apply_config_file(CLI::App& command, const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(io::read_file(path), path);
  } catch (const toml::parse_error& error) {
    fail(ErrorKind::kBadInput, "{}:{}: {}", path, error.source().begin.line, error.description());
  }
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    CLI::Option* option = name == "config" ? nullptr : command.get_option_no_throw("--" + name);
    if (!option) option = command.get_option_no_throw(name);  // DIR
    if (!option) {
      refuse(path, value.source(),
             name + ": no such setting; `fathom " + command.get_name() + " --help` names them all");
    }
    if (option->count() > 0) continue;
    try {
      option->add_result(argument(path, name, value));
      option->run_callback();
    } catch (const CLI::Error& error) {
      refuse(path, value.source(), error.what());
    }
  }
}

}  // namespace fathom::cli
