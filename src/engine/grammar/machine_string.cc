// Strings, by code points: escapes, UTF-8, lengths and patterns.
#include <algorithm>

#include "engine/grammar/machine.h"

namespace fathom::engine {
namespace {

/// `count`: code points so far. `position`: the pattern's state, or where the list of excluded
/// strings stands. `point`: the bits so far of the character that `left` more bytes will complete,
/// `blanks` its bytes in all; or of an escape by \u, `left` digits of which are to come.
enum StringPhase : uint8_t { kChars, kUtf8, kEscape, kHex, kLowBackslash, kLowU, kLowHex };

/// In place of the bits: whatever bytes complete the character, it leads to the same, and the
/// pattern's state is already what it will be then. Saves states.
constexpr uint32_t kAnyPoint = 0xFFFFFFFF;

constexpr std::string_view kEscapes = "\"\\/bfnrt";
constexpr std::string_view kEscaped = "\"\\/\b\f\n\r\t";

int hex_digit(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const int lower = byte | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

PatternStates& Machine::states_of(const Frame& frame) {
  const Pattern& pattern = *node<StringNode>(frame).pattern;
  return patterns_.try_emplace(frame.node, pattern).first->second;
}

// Leaves the bits only where they matter. False when no such character is allowed.
bool Machine::narrow_point(Frame& frame) {
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};  // no overlong forms
  const uint32_t first = frame.point << (6 * frame.left);
  const uint32_t last = first | ((1u << (6 * frame.left)) - 1);
  const uint32_t from = std::max(first, kLeast[frame.blanks]);
  if (from > last) return false;
  CharClass::Share share = CharClass::all().share_of(from, last);
  int32_t after = frame.position;
  if (node<StringNode>(frame).pattern != nullptr) {
    after = states_of(frame).after_any(frame.position, from, last, share);
  }
  if (share == CharClass::Share::kAll && from == first) {
    frame.point = kAnyPoint;
    frame.position = after;
  }
  return share != CharClass::Share::kNone;
}

void Machine::step_string(const Frame& frame, StackId below, uint8_t byte, Stacks& out) {
  switch (frame.phase) {
    case kChars:
      return plain_byte(frame, below, byte, out);
    case kUtf8:
      return later_byte(frame, below, byte, out);
    case kEscape:
      return escaped(frame, below, byte, out);
    default:
      return hexadecimal(frame, below, byte, out);
  }
}

void Machine::plain_byte(Frame frame, StackId below, uint8_t byte, Stacks& out) {
  const auto& string = node<StringNode>(frame);
  if (byte == '"') {
    const bool matched = string.pattern == nullptr || states_of(frame).accepting(frame.position);
    const bool listed = string.excluded != nullptr && string.excluded->is_listed(frame.position);
    if (frame.count >= string.min && matched && !listed) emit(below, out);
    return;
  }
  if (byte < 0x20 || (string.max >= 0 && frame.count >= string.max)) return;
  if (byte == '\\') {
    if (string.excluded != nullptr) return;
    const auto takes = [&](char c) {
      return c != '/' && states_of(frame).takes(frame.position, static_cast<uint32_t>(c));
    };
    if (string.pattern != nullptr && std::ranges::none_of(kEscaped, takes)) return;
    frame.phase = kEscape;
    emit(pool_.push(below, frame), out);
    return;
  }
  if (string.excluded != nullptr) frame.position = string.excluded->next(frame.position, byte);
  if (byte < 0x80) return take_point(frame, below, byte, out);
  lead_byte(frame, below, byte, out);
}

void Machine::take_point(Frame frame, StackId below, uint32_t point, Stacks& out) {
  if (node<StringNode>(frame).pattern != nullptr) {
    frame.position = states_of(frame).after(frame.position, point);
    if (frame.position == PatternStates::kDead) return;
  }
  finish_point(frame, below, out);
}

void Machine::finish_point(Frame frame, StackId below, Stacks& out) {
  const auto& string = node<StringNode>(frame);
  frame.phase = kChars;
  frame.point = 0;
  frame.left = frame.blanks = 0;
  if (string.max >= 0 || frame.count < string.min) ++frame.count;
  emit(pool_.push(below, frame), out);
}

void Machine::lead_byte(Frame frame, StackId below, uint8_t byte, Stacks& out) {
  if (byte < 0xC2 || byte > 0xF4) return;
  frame.left = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
  frame.blanks = frame.left + 1;
  frame.phase = kUtf8;
  frame.point = byte & (0x3Fu >> frame.left);
  if (narrow_point(frame)) emit(pool_.push(below, frame), out);
}

void Machine::later_byte(Frame frame, StackId below, uint8_t byte, Stacks& out) {
  if ((byte & 0xC0) != 0x80) return;
  const auto& string = node<StringNode>(frame);
  if (string.excluded != nullptr) frame.position = string.excluded->next(frame.position, byte);
  --frame.left;
  if (frame.point != kAnyPoint) {
    frame.point = frame.point << 6 | (byte & 0x3F);
    if (!narrow_point(frame)) return;
  }
  if (frame.left == 0) return finish_point(frame, below, out);
  emit(pool_.push(below, frame), out);
}

void Machine::escaped(const Frame& frame, StackId below, uint8_t byte, Stacks& out) {
  const bool by_pattern = node<StringNode>(frame).pattern != nullptr;
  if (byte == 'u' && !by_pattern) {  // a pattern's characters are spelled one way only
    Frame next = frame;
    next.phase = kHex;
    next.left = 4;
    return emit(pool_.push(below, next), out);
  }
  const size_t which = kEscapes.find(static_cast<char>(byte));
  if (which == std::string_view::npos || (by_pattern && byte == '/')) return;
  take_point(frame, below, static_cast<uint32_t>(kEscaped[which]), out);
}

// Surrogates come in pairs. Of the digits only what tells a surrogate is kept: 0xD after one digit,
// 0xD8 after two of a high one.
void Machine::hexadecimal(Frame frame, StackId below, uint8_t byte, Stacks& out) {
  if (frame.phase == kLowBackslash || frame.phase == kLowU) {
    if (byte != (frame.phase == kLowU ? 'u' : '\\')) return;
    frame.left = frame.phase == kLowU ? 4 : 0;
    frame.phase = frame.phase == kLowU ? kLowHex : kLowU;
    return emit(pool_.push(below, frame), out);
  }
  const int digit = hex_digit(byte);
  if (digit < 0) return;
  const bool low = frame.phase == kLowHex;
  --frame.left;
  if (frame.left == 3) {
    if (low && digit != 0xD) return;
    frame.point = digit == 0xD ? 0xD : 0;
  } else if (frame.left == 2 && frame.point == 0xD) {
    if (low != (digit >= 0xC)) return;
    frame.point = !low && digit >= 8 ? 0xD8 : 0;
  }
  if (frame.left > 0) return emit(pool_.push(below, frame), out);
  if (frame.point == 0) return finish_point(frame, below, out);
  frame.phase = kLowBackslash;
  frame.point = 0;
  emit(pool_.push(below, frame), out);
}

Frame Machine::adopt(Machine& other, Frame frame) {
  const auto* string = std::get_if<StringNode>(&program_.nodes[frame.node]);
  if (string == nullptr || string->pattern == nullptr) return frame;
  frame.position = states_of(frame).state_of(other.states_of(frame).positions(frame.position));
  return frame;
}

size_t Machine::pattern_size() const {
  size_t all = 0;
  for (const auto& [node, states] : patterns_) all += states.size();
  return all;
}

StackId Machine::representative(StackId stack, int64_t reach) {
  if (stack == kFinished) return stack;
  Frame frame = pool_.top(stack);
  const auto* string = std::get_if<StringNode>(&program_.nodes[frame.node]);
  if (string == nullptr) return stack;
  const int64_t count = frame.count;
  if (count < string->min) {
    if (string->min - count > reach) frame.count = 0;
  } else if (string->max >= 0 && string->max - count > reach) {
    frame.count = static_cast<int32_t>(string->min);
  }
  return pool_.push(pool_.below(stack), frame);
}

}  // namespace fathom::engine
