#include "engine/grammar/number_range.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace fathom::engine {
namespace {

using Wide = __int128;

Wide power_of_ten(int exponent) {
  Wide value = 1;
  for (int i = 0; i < exponent; ++i) value *= 10;
  return value;
}

/// value * 10^exponent, without trailing zeros in `digits`.
struct Decimal {
  bool negative = false;
  std::string digits;  // empty: zero
  int exponent = 0;
};

Decimal parse_decimal(const std::string& text) {
  Decimal result;
  size_t at = 0;
  if (text[at] == '-') {
    result.negative = true;
    ++at;
  }
  bool point = false;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.') {
      point = true;
      continue;
    }
    if (point) --result.exponent;
    if (!result.digits.empty() || text[at] != '0') result.digits += text[at];
  }
  if (at < text.size()) {
    int shift = 0;
    const size_t first = at + (text[at + 1] == '+' ? 2 : 1);
    std::from_chars(text.data() + first, text.data() + text.size(), shift);
    result.exponent += shift;
  }
  while (!result.digits.empty() && result.digits.back() == '0') {
    result.digits.pop_back();
    ++result.exponent;
  }
  return result;
}

int digits_before_point(const Decimal& d) {
  return d.digits.empty() ? 0 : std::max(0, static_cast<int>(d.digits.size()) + d.exponent);
}

/// In units of 10^-places; what is finer is cut off, and `exact` says whether there was any.
Wide scaled(const Decimal& d, int places, bool& exact) {
  exact = true;
  Wide value = 0;
  const int shift = d.exponent + places;
  for (size_t i = 0; i < d.digits.size(); ++i) {
    const int left = static_cast<int>(d.digits.size() - 1 - i) + shift;  // power of this digit
    if (left < 0) {
      exact = false;
      break;
    }
    value = value * 10 + (d.digits[i] - '0');
  }
  if (shift > 0) value *= power_of_ten(shift);
  return d.negative ? -value : value;
}

}  // namespace

NumberRange::NumberRange(bool integer, const std::optional<Bound>& least,
                         const std::optional<Bound>& most, const std::string& where)
    : integer_(integer), bounded_(least || most) {
  std::optional<Decimal> low, high;
  if (least) low = parse_decimal(least->text);
  if (most) high = parse_decimal(most->text);
  // A bound beyond all numbers of kMaxDigits digits is none, or nothing.
  const auto beyond = [](const std::optional<Decimal>& d) {
    return d && digits_before_point(*d) > kMaxDigits;
  };
  bool nothing = (beyond(low) && !low->negative) || (beyond(high) && high->negative);
  if (beyond(low)) low.reset();
  if (beyond(high)) high.reset();

  int before = 1;
  for (const auto& bound : {low, high}) {
    if (bound) before = std::max(before, digits_before_point(*bound));
  }
  places_ = integer ? 0 : kMaxDigits - before;
  bool exact = true;
  std::optional<Wide> lo, hi;
  if (low) {
    lo = scaled(*low, places_, exact);
    if (exact ? least->open : !low->negative) ++*lo;  // cutting off went towards zero
  }
  if (high) {
    hi = scaled(*high, places_, exact);
    if (exact ? most->open : high->negative) --*hi;
  }
  nothing |= lo && hi && *lo > *hi;
  if (nothing) fail(ErrorKind::kUnsupported, "{}: no number is within the bounds", where);

  above_.any = !hi || *hi >= 0;
  above_.least = lo ? std::max<Wide>(*lo, 0) : 0;
  above_.most = hi;
  below_.any = !lo || *lo < 0;
  const Wide smallest = bounded_ ? 1 : 0;  // -0 only where nothing is asked
  below_.least = hi ? std::max<Wide>(-*hi, smallest) : smallest;
  if (lo) below_.most = -*lo;
}

NumberRange::Scaled NumberRange::unit(int after) const { return power_of_ten(places_ - after); }

bool NumberRange::can_reach(const Digits& digits) const {
  const Sized& range = of(digits.negative);
  if (!range.any) return false;
  if (digits.before == 0) return true;
  const auto meets = [&](Scaled first, Scaled last) {
    return last >= range.least && (!range.most || first <= *range.most);
  };
  const Scaled step = unit(digits.after);
  const Scaled first = digits.value * step;
  if (meets(first, first + step - 1)) return true;
  if (digits.point || digits.value == 0) return false;
  Scaled factor = 1;
  for (int more = 1; digits.before + more <= kMaxDigits; ++more) {
    factor *= 10;
    if (meets(first * factor, (first + step) * factor - 1)) return true;
  }
  return false;
}

bool NumberRange::holds(const Digits& digits) const {
  const Sized& range = of(digits.negative);
  const Scaled value = digits.value * unit(digits.after);
  return range.any && value >= range.least && (!range.most || value <= *range.most);
}

bool NumberRange::anything_goes(const Digits& digits) const {
  const Sized& range = of(digits.negative);
  if (!range.any || range.most) return false;
  return digits.before == 0 ? range.least == 0 : digits.value * unit(digits.after) >= range.least;
}

}  // namespace fathom::engine
