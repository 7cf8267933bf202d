#include "ledger/money.h"

#include <fmt/format.h>
#include <strings.h>

#include <limits>

#include "base/error.h"

namespace fathom::ledger {
namespace {

constexpr int kDecimals = 9;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Nano-units as sign, whole units and remainder; safe for the most negative value.
struct Parts {
  bool negative;
  uint64_t units;
  uint64_t nano;
};

Parts split(Nano amount) {
  const bool negative = amount < 0;
  const uint64_t size =
      negative ? ~static_cast<uint64_t>(amount) + 1 : static_cast<uint64_t>(amount);
  return {negative, size / kUnit, size % kUnit};
}

}  // namespace

std::string_view currency_name(Currency currency) {
  return currency == Currency::kCny ? "CNY" : "USD";
}

Currency parse_currency(std::string_view name) {
  for (const Currency currency : {Currency::kCny, Currency::kUsd}) {
    const std::string_view known = currency_name(currency);
    if (name.size() == known.size() && strncasecmp(name.data(), known.data(), known.size()) == 0) {
      return currency;
    }
  }
  fail(ErrorKind::kUsage, "currency '{}': expected CNY or USD", name);
}

std::string format_two_decimals(Nano amount) {
  constexpr Nano kCent = kUnit / 100;
  // Down means towards less: a debt of a part of a cent shows as a cent.
  if (amount < 0) amount = amount / kCent * kCent - (amount % kCent != 0 ? kCent : 0);
  const Parts parts = split(amount);
  return fmt::format("{}{}.{:02}", parts.negative ? "-" : "", parts.units, parts.nano / kCent);
}

std::string format_exact(Nano amount) {
  const Parts parts = split(amount);
  return fmt::format("{}{}.{:09}", parts.negative ? "-" : "", parts.units, parts.nano);
}

Nano parse_amount(std::string_view text) {
  const auto refuse = [&]() {
    fail(ErrorKind::kUsage,
         "amount '{}': expected a decimal number from 0 to 9000000000 with up to 9 decimals", text);
  };
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction =
      point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (whole.empty() || whole.size() > 10 || fraction.size() > kDecimals) refuse();
  if (point != std::string_view::npos && fraction.empty()) refuse();

  int64_t units = 0;
  for (const char c : whole) {
    if (!is_digit(c)) refuse();
    units = units * 10 + (c - '0');
  }
  if (units > 9'000'000'000) refuse();
  int64_t nano = 0;
  for (int i = 0; i < kDecimals; ++i) {
    const char c = i < static_cast<int>(fraction.size()) ? fraction[i] : '0';
    if (!is_digit(c)) refuse();
    nano = nano * 10 + (c - '0');
  }
  return units * kUnit + nano;
}

std::string format_day(Time time) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(time));
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

std::string format_time(Time time) {
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - midnight));
  return fmt::format("{}T{:02}:{:02}:{:02}Z", format_day(time), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

}  // namespace fathom::ledger
