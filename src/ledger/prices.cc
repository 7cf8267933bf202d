#include "ledger/prices.h"

namespace fathom::ledger {
namespace {

constexpr Prices kCnyPromotion = {.hit = 100, .miss = 1000, .output = 2000};
constexpr Prices kCnyRegular = {.hit = 500, .miss = 2000, .output = 8000};
constexpr Prices kUsdPromotion = {.hit = 14, .miss = 140, .output = 280};
constexpr Prices kUsdRegular = {.hit = 70, .miss = 270, .output = 1100};

}  // namespace

Prices prices_at(Currency currency, Time time) {
  const bool promotion = time < kPromotionEnd;
  if (currency == Currency::kCny) return promotion ? kCnyPromotion : kCnyRegular;
  return promotion ? kUsdPromotion : kUsdRegular;
}

}  // namespace fathom::ledger
