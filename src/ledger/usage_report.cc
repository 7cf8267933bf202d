#include <nlohmann/json.hpp>

#include "ledger/ledger.h"
#include "ledger/pool.h"

namespace fathom::ledger {
namespace {

/// RFC 4180: a field with a comma, quote or line end is quoted. One that a spreadsheet would run as
/// a formula is led by an apostrophe.
std::string csv_field(const std::string& text) {
  std::string field = text;
  if (!field.empty() && std::string_view("=+-@\t\r").find(field[0]) != std::string_view::npos) {
    field.insert(0, 1, '\'');
  }
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string quoted = "\"";
  for (const char c : field) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::vector<UsageLine> Ledger::usage(const UsageFilter& filter) {
  return run([&](Database& db) {
    const auto rows = db.query(
        "SELECT u.day, a.name, k.name, k.hint, u.model, a.currency, COUNT(*), "
        "CAST(SUM(u.hit_tokens) AS BIGINT), CAST(SUM(u.miss_tokens) AS BIGINT), "
        "CAST(SUM(u.output_tokens) AS BIGINT), CAST(SUM(u.charged) AS BIGINT) "
        "FROM usage u JOIN accounts a ON a.id = u.account_id JOIN api_keys k ON k.id = u.key_id "
        "WHERE ($1 = 0 OR u.account_id = $2) AND u.day >= $3 AND ($4 = '' OR u.day <= $5) "
        "GROUP BY u.day, a.id, a.name, k.id, k.name, k.hint, u.model, a.currency "
        "ORDER BY u.day, a.id, k.id, u.model",
        {int64_t{filter.account_id.has_value()}, filter.account_id.value_or(0), filter.first_day,
         filter.last_day, filter.last_day});
    std::vector<UsageLine> lines;
    for (const Row& row : rows) {
      lines.push_back({.day = row.text(0),
                       .account = row.text(1),
                       .key = row.text(2),
                       .hint = row.text(3),
                       .model = row.text(4),
                       .currency = parse_currency(row.text(5)),
                       .requests = row.integer(6),
                       .tokens = {row.integer(7), row.integer(8), row.integer(9)},
                       .charged = row.integer(10)});
    }
    return lines;
  });
}

std::string usage_csv(const std::vector<UsageLine>& lines) {
  std::string csv =
      "day,account,key,key_hint,model,currency,requests,prompt_cache_hit_tokens,"
      "prompt_cache_miss_tokens,completion_tokens,cost\r\n";
  for (const UsageLine& line : lines) {
    csv += line.day + "," + csv_field(line.account) + "," + csv_field(line.key) + "," +
           csv_field(line.hint) + "," + csv_field(line.model) + "," +
           std::string(currency_name(line.currency)) + "," + std::to_string(line.requests) + "," +
           std::to_string(line.tokens.hit) + "," + std::to_string(line.tokens.miss) + "," +
           std::to_string(line.tokens.output) + "," + format_exact(line.charged) + "\r\n";
  }
  return csv;
}

std::string usage_json(const std::vector<UsageLine>& lines) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const UsageLine& line : lines) {
    array.push_back({{"day", line.day},
                     {"account", line.account},
                     {"key", line.key},
                     {"key_hint", line.hint},
                     {"model", line.model},
                     {"currency", currency_name(line.currency)},
                     {"requests", line.requests},
                     {"prompt_cache_hit_tokens", line.tokens.hit},
                     {"prompt_cache_miss_tokens", line.tokens.miss},
                     {"completion_tokens", line.tokens.output},
                     {"cost", format_exact(line.charged)}});
  }
  return array.dump(2) + "\n";
}

}  // namespace fathom::ledger
