#include "text/tool_calls.h"

#include <algorithm>
#include <optional>

namespace fathom::text {
namespace {

constexpr std::string_view kFence = "```";
constexpr std::string_view kSpaces = " \t\r\n";
// From a call's begin to its arguments; more than this is no call.
constexpr size_t kMaxHeader = 1024;

// Bytes at the end of `text` that may be the beginning of `tag`.
size_t partial_tag(std::string_view text, std::string_view tag) {
  for (size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size) {
    if (text.ends_with(tag.substr(0, size))) return size;
  }
  return 0;
}

// Where arguments end: at their call's end tag, or for want of it at the tag that should follow.
struct End {
  size_t at;
  size_t size;  // of the tag, where it belongs to the call
};

std::optional<End> find_end(std::string_view text) {
  std::optional<End> first;
  for (const std::string_view tag : {kCallEnd, kCallsEnd, kCallBegin}) {
    const size_t at = text.find(tag);
    if (at == std::string_view::npos || (first && first->at < at)) continue;
    first = End{at, tag == kCallEnd ? tag.size() : 0};
  }
  return first;
}

size_t partial_end(std::string_view text) {
  return std::max(
      {partial_tag(text, kCallEnd), partial_tag(text, kCallsEnd), partial_tag(text, kCallBegin)});
}

std::string_view strip_right(std::string_view text) {
  const size_t last = text.find_last_not_of(kSpaces);
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

std::string_view strip_left(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kSpaces), text.size()));
}

// Arguments without what may be the fence behind them, complete or not.
std::string_view without_fence(std::string_view text) {
  text = strip_right(text);
  for (size_t i = 0; i < kFence.size() && text.ends_with('`'); ++i) text.remove_suffix(1);
  return strip_right(text);
}

struct Header {
  std::string name;
  size_t size = 0;  // bytes up to the arguments; 0: this is no call
};

// Reads `function<｜tool▁sep｜>NAME`, a line end, the fence and up to the arguments' first brace.
// Nothing while more text is needed to tell.
std::optional<Header> parse_header(std::string_view text) {
  const std::optional<Header> not_a_call = Header{};
  const auto starts_like = [](std::string_view s, std::string_view wanted) {
    return s.substr(0, wanted.size()) == wanted.substr(0, s.size());
  };
  const std::string_view kind = "function";
  if (!starts_like(text, kind)) return not_a_call;
  std::string_view rest = text.substr(std::min(kind.size(), text.size()));
  if (!starts_like(rest, kCallSeparator)) return not_a_call;
  if (rest.size() < kCallSeparator.size()) return std::nullopt;
  rest.remove_prefix(kCallSeparator.size());

  const size_t line_end = rest.find('\n');
  const std::string_view name = strip_right(strip_left(rest.substr(0, line_end)));
  if (name.find('<') != std::string_view::npos) return not_a_call;
  if (line_end == std::string_view::npos) return std::nullopt;
  if (name.empty()) return not_a_call;

  rest = strip_left(rest.substr(line_end));
  if (rest.starts_with('`')) {
    if (!starts_like(rest, kFence)) return not_a_call;
    if (rest.size() < kFence.size()) return std::nullopt;
    rest.remove_prefix(kFence.size());
    if (!rest.empty() && rest[0] == 'j') {
      if (!starts_like(rest, "json")) return not_a_call;
      if (rest.size() < 4) return std::nullopt;
      rest.remove_prefix(4);
    }
    rest = strip_left(rest);
  }
  if (rest.empty()) return std::nullopt;
  if (rest[0] != '{') return not_a_call;
  return Header{std::string(name), text.size() - rest.size()};
}

}  // namespace

ToolCallPiece ToolCallParser::push(std::string_view text) {
  buffer_ += text;
  ToolCallPiece out;
  bool more = true;
  while (more) {
    switch (state_) {
      case State::kContent:
        more = read_content(out);
        break;
      case State::kBetween:
        more = read_between(out);
        break;
      case State::kHeader:
        more = read_header(out);
        break;
      case State::kArguments:
        more = read_arguments(out);
        break;
    }
  }
  return out;
}

bool ToolCallParser::read_content(ToolCallPiece& out) {
  const size_t begin = buffer_.find(kCallsBegin);
  const bool found = begin != std::string::npos;
  const size_t safe = found ? begin : buffer_.size() - partial_tag(buffer_, kCallsBegin);
  out.content += buffer_.substr(0, safe);
  buffer_.erase(0, safe);
  if (!found) return false;
  parsed_ = kCallsBegin.size();
  state_ = State::kBetween;
  return true;
}

// Before a call: white space, then a call or the end of the calls.
bool ToolCallParser::read_between(ToolCallPiece& out) {
  const std::string_view rest = strip_left(std::string_view(buffer_).substr(parsed_));
  parsed_ = buffer_.size() - rest.size();
  if (rest.starts_with(kCallBegin)) {
    parsed_ += kCallBegin.size();
    state_ = State::kHeader;
    return true;
  }
  // An end before any call settles nothing worth keeping from the reader.
  if (rest.starts_with(kCallsEnd) && calls_ > 0 && !buffer_.starts_with(kCallsBegin)) {
    buffer_.erase(0, parsed_ + kCallsEnd.size());
    state_ = State::kContent;
    return true;
  }
  const bool undecided = kCallBegin.starts_with(rest) || kCallsEnd.starts_with(rest);
  return undecided ? false : give_up(out);
}

bool ToolCallParser::read_header(ToolCallPiece& out) {
  const std::string_view rest = std::string_view(buffer_).substr(parsed_);
  const auto header = parse_header(rest);
  if (!header) return rest.size() > kMaxHeader ? give_up(out) : false;
  if (header->size == 0 || header->size > kMaxHeader) return give_up(out);
  out.calls.push_back({calls_++, header->name, ""});
  buffer_.erase(0, parsed_ + header->size);
  state_ = State::kArguments;
  return true;
}

bool ToolCallParser::read_arguments(ToolCallPiece& out) {
  const auto end = find_end(buffer_);
  const size_t size = end ? end->at : buffer_.size() - partial_end(buffer_);
  const std::string_view arguments = without_fence(std::string_view(buffer_).substr(0, size));
  emit_arguments(arguments, out);
  buffer_.erase(0, end ? end->at + end->size : arguments.size());
  if (!end) return false;
  parsed_ = 0;
  state_ = State::kBetween;
  return true;
}

void ToolCallParser::emit_arguments(std::string_view text, ToolCallPiece& out) const {
  if (text.empty()) return;
  if (out.calls.empty() || out.calls.back().index != calls_ - 1)
    out.calls.push_back({calls_ - 1, "", ""});
  out.calls.back().arguments += text;
}

// What was read since the last settled place is content. The first tag goes out by itself, so that
// it is not taken for a beginning again.
bool ToolCallParser::give_up(ToolCallPiece& out) {
  const size_t first = buffer_.starts_with(kCallsBegin) ? kCallsBegin.size() : parsed_;
  out.content += buffer_.substr(0, first);
  buffer_.erase(0, first);
  state_ = State::kContent;
  return true;
}

ToolCallPiece ToolCallParser::finish() {
  ToolCallPiece out;
  const bool only_space = strip_left(buffer_).empty();
  if (state_ == State::kArguments) {
    const size_t size = buffer_.size() - partial_end(buffer_);
    emit_arguments(without_fence(std::string_view(buffer_).substr(0, size)), out);
  } else if (state_ != State::kBetween || !only_space) {
    out.content = buffer_;
  }
  buffer_.clear();
  state_ = State::kContent;
  return out;
}

}  // namespace fathom::text
