// fathom keys: who may use the server.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/ledger_options.h"
#include "text/utf8.h"

namespace fathom::cli {
namespace {

struct KeysOptions : LedgerOptions {
  std::string account;
  std::string name;
};

nlohmann::ordered_json to_json(const ledger::ApiKey& key) {
  return {{"id", key.id},
          {"name", key.name},
          {"account", key.account},
          {"hint", key.hint},
          {"created", ledger::format_time(key.created)},
          {"revoked", key.revoked ? nlohmann::ordered_json(ledger::format_time(*key.revoked))
                                  : nlohmann::ordered_json(nullptr)}};
}

void create(const KeysOptions& options) {
  text::require_utf8(options.name, "the key's name");
  const ledger::NewApiKey key = open_ledger(options)->create_key(options.account, options.name);
  if (options.json) {
    nlohmann::ordered_json out = to_json(key.record);
    out["key"] = key.secret;
    std::puts(out.dump(2).c_str());
    return;
  }
  fmt::print("{}\n", key.secret);
  fmt::print(stderr, "Key '{}' of account '{}'. Keep it: only its hash is stored.\n",
             key.record.name, key.record.account);
}

void list(const KeysOptions& options) {
  const std::vector<ledger::ApiKey> keys = open_ledger(options)->keys();
  if (options.json) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const ledger::ApiKey& key : keys) out.push_back(to_json(key));
    std::puts(out.dump(2).c_str());
    return;
  }
  fmt::print("{:>4}  {:<24} {:<24} {:<12} {:<21} {}\n", "id", "name", "account", "key", "created",
             "revoked");
  for (const ledger::ApiKey& key : keys) {
    fmt::print("{:>4}  {:<24} {:<24} {:<12} {:<21} {}\n", key.id, key.name, key.account, key.hint,
               ledger::format_time(key.created),
               key.revoked ? ledger::format_time(*key.revoked) : "-");
  }
}

void revoke(const KeysOptions& options) {
  const ledger::ApiKey key = open_ledger(options)->revoke_key(options.name);
  if (options.json) {
    std::puts(to_json(key).dump(2).c_str());
  } else {
    fmt::print("revoked key '{}' ({}) of account '{}'\n", key.name, key.hint, key.account);
  }
}

}  // namespace

void add_keys(CLI::App& app) {
  CLI::App& keys = *app.add_subcommand("keys", "Create, list and revoke API keys");
  keys.require_subcommand(1);
  const auto options = std::make_shared<KeysOptions>();

  CLI::App& create_command = *keys.add_subcommand("create", "Make a key and show it once");
  create_command.add_option("--account", options->account, "The account it spends from")
      ->required();
  create_command.add_option("--name", options->name, "A name of your own for it")->required();
  add_ledger_options(create_command, *options);
  create_command.callback([options] { create(*options); });

  CLI::App& list_command = *keys.add_subcommand("list", "All keys, without their secrets");
  add_ledger_options(list_command, *options);
  list_command.callback([options] { list(*options); });

  CLI::App& revoke_command = *keys.add_subcommand("revoke", "Make a key invalid, at once");
  revoke_command.add_option("key", options->name, "Its id, its name, or the key itself")
      ->required();
  add_ledger_options(revoke_command, *options);
  revoke_command.callback([options] { revoke(*options); });
}

}  // namespace fathom::cli
