// Which decimal numbers lie within bounds, asked digit by digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fathom::engine {

/// Digits of a number in all, before and after the point: what every reader holds exactly.
constexpr int kMaxDigits = 15;

/// A number's digits so far, sign and point left out.
struct Digits {
  int64_t value = 0;
  int before = 0;  ///< the point
  int after = 0;   ///< the point
  bool point = false;
  bool negative = false;
};

/// The numbers of at most kMaxDigits digits, without exponent, between two bounds.
class NumberRange {
 public:
  /// A bound in decimal notation, as JSON writes it; `open`: the bound itself is outside.
  struct Bound {
    std::string text;
    bool open = false;
  };

  /// Throws Error(kUnsupported), which `where` begins, for a bound of more than kMaxDigits digits
  /// and for a range that no number is in.
  NumberRange(bool integer, const std::optional<Bound>& least, const std::optional<Bound>& most,
              const std::string& where);

  bool bounded() const { return bounded_; }
  bool integer() const { return integer_; }
  /// Digits after the point at most.
  int max_after() const { return integer_ ? 0 : places_; }

  /// The digits as they are, or with more after them, can be a number in the range. With no digit
  /// yet: some number of the sign is.
  bool can_reach(const Digits& digits) const;
  /// The number is in the range as it is.
  bool holds(const Digits& digits) const;
  /// Whatever digits follow, can_reach() and holds() stay true.
  bool anything_goes(const Digits& digits) const;

 private:
  using Scaled = __int128;  // in units of 10^-places_
  struct Sized {            // magnitudes of one sign
    bool any = false;
    Scaled least = 0;
    std::optional<Scaled> most;
  };
  const Sized& of(bool negative) const { return negative ? below_ : above_; }
  Scaled unit(int after) const;

  bool integer_;
  bool bounded_;
  int places_;
  Sized above_, below_;
};

}  // namespace fathom::engine
