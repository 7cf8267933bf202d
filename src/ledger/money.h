// Amounts of money as integers: 10^-9 yuan or dollar, so that the price of one token is exact.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::ledger {

/// Nano-units: 1 yuan is 1'000'000'000.
using Nano = int64_t;
inline constexpr Nano kUnit = 1'000'000'000;

/// Instants are UTC, in microseconds, as the database stores them.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

enum class Currency { kCny, kUsd };

/// "CNY" or "USD".
std::string_view currency_name(Currency currency);
/// The inverse, in either case of letters. Throws Error(kUsage) for another name.
Currency parse_currency(std::string_view name);

/// Two decimals, rounded down, as the balance endpoint shows it: 1'999'999'999 is "1.99".
std::string format_two_decimals(Nano amount);
/// All nine decimals, for exports that must add up: "1.999999999".
std::string format_exact(Nano amount);
/// A non-negative decimal with up to nine decimals. Throws Error(kUsage) for anything else.
Nano parse_amount(std::string_view text);

/// The UTC calendar day, "2025-02-08".
std::string format_day(Time time);
/// "2025-02-08T16:00:00Z".
std::string format_time(Time time);

}  // namespace fathom::ledger
