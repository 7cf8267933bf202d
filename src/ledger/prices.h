// What a token costs, and when. Source: the price table of DeepSeek's V3 launch note.
#pragma once

#include <cstdint>

#include "ledger/money.h"

namespace fathom::ledger {

/// Tokens of one request by price. hit + miss is the prompt.
struct Tokens {
  int64_t hit = 0;
  int64_t miss = 0;
  int64_t output = 0;

  bool operator==(const Tokens&) const = default;
};

/// Nano-units a token: 2 yuan a million input tokens is 2000.
struct Prices {
  Nano hit = 0;
  Nano miss = 0;
  Nano output = 0;

  Nano cost(const Tokens& tokens) const {
    return tokens.hit * hit + tokens.miss * miss + tokens.output * output;
  }
  bool operator==(const Prices&) const = default;
};

/// The launch promotion's end, exclusive: 2025-02-08 24:00 in Beijing, which is 16:00 UTC.
inline constexpr Time kPromotionEnd =
    std::chrono::sys_days(std::chrono::year(2025) / std::chrono::February / 8) +
    std::chrono::hours(16);

/// The price list in force at an instant. A request is charged by the list in force when it
/// arrived.
Prices prices_at(Currency currency, Time time);

}  // namespace fathom::ledger
