// fathom account: balances and usage.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/ledger_options.h"
#include "ledger/api_key.h"
#include "text/utf8.h"

namespace fathom::cli {
namespace {

struct AccountOptions : LedgerOptions {
  std::string name;
  std::string currency = "CNY";
  std::string amount;
  std::string reference;
  std::string from;
  std::string to;
  bool csv = false;
};

nlohmann::ordered_json to_json(const ledger::Account& account) {
  return {{"name", account.name},
          {"currency", ledger::currency_name(account.currency)},
          {"total_balance", ledger::format_exact(account.total())},
          {"granted_balance", ledger::format_exact(account.granted)},
          {"topped_up_balance", ledger::format_exact(account.topped_up)},
          {"held", ledger::format_exact(account.held)}};
}

void print_table(const std::vector<ledger::Account>& accounts) {
  fmt::print("{:<24} {:<8} {:>14} {:>14} {:>14} {:>14}\n", "account", "currency", "balance",
             "granted", "topped up", "held");
  for (const ledger::Account& account : accounts) {
    fmt::print(
        "{:<24} {:<8} {:>14} {:>14} {:>14} {:>14}\n", account.name,
        ledger::currency_name(account.currency), ledger::format_two_decimals(account.total()),
        ledger::format_two_decimals(account.granted),
        ledger::format_two_decimals(account.topped_up), ledger::format_two_decimals(account.held));
  }
}

void print_account(const AccountOptions& options, const ledger::Account& account) {
  if (options.json) {
    std::puts(to_json(account).dump(2).c_str());
  } else {
    print_table({account});
  }
}

void show(const AccountOptions& options) {
  const auto ledger = open_ledger(options);
  if (!options.name.empty()) return print_account(options, ledger->account(options.name));
  const std::vector<ledger::Account> accounts = ledger->accounts();
  if (!options.json) return print_table(accounts);
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const ledger::Account& account : accounts) out.push_back(to_json(account));
  std::puts(out.dump(2).c_str());
}

void add_money(const AccountOptions& options, bool granted) {
  const ledger::Nano amount = ledger::parse_amount(options.amount);
  const std::string reference = options.reference.empty() ? ledger::new_uuid() : options.reference;
  const auto ledger = open_ledger(options);
  print_account(options, granted ? ledger->grant(options.name, amount, reference)
                                 : ledger->top_up(options.name, amount, reference));
}

void check_day(const char* flag, const std::string& day) {
  int year = 0, month = 0, date = 0, used = 0;
  const int fields = std::sscanf(day.c_str(), "%4d-%2d-%2d%n", &year, &month, &date, &used);
  const bool valid = fields == 3 && used == 10 && day.size() == 10 &&
                     std::chrono::year_month_day(std::chrono::year(year), std::chrono::month(month),
                                                 std::chrono::day(date))
                         .ok();
  if (!day.empty() && !valid) {
    fail(ErrorKind::kUsage, "{} '{}': expected a day like 2025-02-08", flag, day);
  }
}

void usage(const AccountOptions& options) {
  check_day("--from", options.from);
  check_day("--to", options.to);
  if (options.csv && options.json) fail(ErrorKind::kUsage, "--csv and --json: choose one");
  const auto ledger = open_ledger(options);
  ledger::UsageFilter filter{.account_id = {}, .first_day = options.from, .last_day = options.to};
  if (!options.name.empty()) filter.account_id = ledger->account(options.name).id;
  const std::vector<ledger::UsageLine> lines = ledger->usage(filter);
  if (options.csv) {
    std::fputs(ledger::usage_csv(lines).c_str(), stdout);
  } else if (options.json) {
    std::fputs(ledger::usage_json(lines).c_str(), stdout);
  } else {
    fmt::print("{:<11} {:<16} {:<16} {:<16} {:>9} {:>12} {:>12} {:>12} {:>18}\n", "day (UTC)",
               "account", "key", "model", "requests", "cache hit", "cache miss", "output", "cost");
    for (const ledger::UsageLine& line : lines) {
      fmt::print("{:<11} {:<16} {:<16} {:<16} {:>9} {:>12} {:>12} {:>12} {:>14} {}\n", line.day,
                 line.account, line.key, line.model, line.requests, line.tokens.hit,
                 line.tokens.miss, line.tokens.output, ledger::format_exact(line.charged),
                 ledger::currency_name(line.currency));
    }
  }
}

CLI::App& add_command(CLI::App& parent, const char* name, const char* about,
                      const std::shared_ptr<AccountOptions>& options,
                      void (*action)(const AccountOptions&)) {
  CLI::App& command = *parent.add_subcommand(name, about);
  add_ledger_options(command, *options);
  command.callback([options, action] { action(*options); });
  return command;
}

}  // namespace

void add_account(CLI::App& app) {
  CLI::App& account = *app.add_subcommand("account", "Accounts: balances, money, usage");
  account.require_subcommand(1);
  const auto options = std::make_shared<AccountOptions>();
  constexpr char kName[] = "The account's name";

  CLI::App& create =
      add_command(account, "create", "Open an account", options, [](const AccountOptions& o) {
        text::require_utf8(o.name, "the account's name");
        print_account(o,
                      open_ledger(o)->create_account(o.name, ledger::parse_currency(o.currency)));
      });
  create.add_option("name", options->name, kName)->required();
  create.add_option("--currency", options->currency, "CNY or USD")->capture_default_str();

  CLI::App& shown = add_command(account, "show", "Balances of one account or all", options, show);
  shown.add_option("name", options->name, kName);

  CLI::App& topup = add_command(account, "topup", "Add money that was paid", options,
                                [](const AccountOptions& o) { add_money(o, false); });
  CLI::App& grant = add_command(account, "grant", "Add money as a gift; it is spent first", options,
                                [](const AccountOptions& o) { add_money(o, true); });
  for (CLI::App* command : {&topup, &grant}) {
    command->add_option("name", options->name, kName)->required();
    command->add_option("amount", options->amount, "Such as 10 or 0.25")->required();
    command->add_option("--reference", options->reference,
                        "An invoice's number: the same one twice adds once");
  }

  CLI::App& used =
      add_command(account, "usage", "Tokens and cost by day, key and model", options, usage);
  used.add_option("name", options->name, "One account only");
  used.add_option("--from", options->from, "First UTC day, such as 2025-02-08");
  used.add_option("--to", options->to, "Last UTC day");
  used.add_flag("--csv", options->csv, "Print CSV");
}

}  // namespace fathom::cli
