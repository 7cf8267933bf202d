// Numbers. They end where something else comes.
#include "engine/grammar/machine.h"

namespace fathom::engine {
namespace {

enum NumberPhase : uint8_t {
  kStart,
  kMinus,
  kZero,
  kWhole,
  kPoint,
  kFraction,
  kExponent,
  kExponentSign,
  kExponentDigits,
};

constexpr int kMaxExponentDigits = 2;

/// `value` once the digits no longer matter, only how many there are.
constexpr int64_t kFree = -1;

/// `count` digits before the point, `position` after it; `blanks`: negative; `left`: digits of the
/// exponent.
Digits digits_of(const Frame& frame) {
  return {.value = frame.value,
          .before = frame.count,
          .after = frame.position,
          .point = frame.phase == kPoint || frame.phase == kFraction,
          .negative = frame.blanks != 0};
}

// False when the digits lead nowhere.
bool settle(const NumberRange& range, Frame& frame) {
  if (frame.value == kFree) return true;
  const Digits digits = digits_of(frame);
  if (!range.can_reach(digits)) return false;
  if (range.anything_goes(digits)) frame.value = kFree;
  return true;
}

}  // namespace

bool Machine::number_may_end(const Frame& frame) const {
  switch (frame.phase) {
    case kZero:
    case kWhole:
    case kFraction:
      return frame.value == kFree || node<NumberNode>(frame).range.holds(digits_of(frame));
    case kExponentDigits:
      return true;
    default:
      return false;
  }
}

void Machine::step_number(Frame frame, StackId below, uint8_t byte, Stacks& out) {
  if (number_may_end(frame)) step(below, byte, out);
  const NumberRange& range = node<NumberNode>(frame).range;
  const bool ended_digits =
      frame.phase == kZero || frame.phase == kWhole || frame.phase == kFraction;
  if (byte >= '0' && byte <= '9') {
    number_digit(frame, below, byte - '0', out);
  } else if (byte == '-' && frame.phase == kStart) {
    frame.phase = kMinus;
    frame.blanks = 1;
    if (settle(range, frame)) emit(pool_.push(below, frame), out);
  } else if (byte == '.' && ended_digits && frame.phase != kFraction) {
    number_point(frame, below, out);
  } else if ((byte == 'e' || byte == 'E') && ended_digits && !range.bounded() && !range.integer()) {
    frame.phase = kExponent;
    emit(pool_.push(below, frame), out);
  } else if ((byte == '+' || byte == '-') && frame.phase == kExponent) {
    frame.phase = kExponentSign;
    emit(pool_.push(below, frame), out);
  }
}

void Machine::number_point(Frame frame, StackId below, Stacks& out) {
  const NumberRange& range = node<NumberNode>(frame).range;
  if (range.max_after() == 0 || frame.count + 1 > kMaxDigits) return;
  frame.phase = kPoint;
  if (settle(range, frame)) emit(pool_.push(below, frame), out);
}

void Machine::number_digit(Frame frame, StackId below, uint8_t digit, Stacks& out) {
  const NumberRange& range = node<NumberNode>(frame).range;
  switch (frame.phase) {
    case kStart:
    case kMinus:
      frame.phase = digit == 0 ? kZero : kWhole;
      ++frame.count;
      break;
    case kWhole:
      ++frame.count;
      break;
    case kPoint:
    case kFraction:
      frame.phase = kFraction;
      ++frame.position;
      if (frame.value != kFree && frame.position > range.max_after()) return;
      break;
    case kExponent:
    case kExponentSign:
    case kExponentDigits:
      frame.phase = kExponentDigits;
      if (++frame.left > kMaxExponentDigits) return;
      return emit(pool_.push(below, frame), out);
    default:
      return;
  }
  if (frame.count + frame.position > kMaxDigits) return;
  if (frame.value != kFree) frame.value = frame.value * 10 + digit;
  if (settle(range, frame)) emit(pool_.push(below, frame), out);
}

}  // namespace fathom::engine
