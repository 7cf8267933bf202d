// Server-sent events out of bytes that arrive in pieces.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace fathom::api {

/// One stream each. Comments, event names and ids are left out.
class EventParser {
 public:
  using OnData = std::function<void(std::string_view data)>;

  /// Calls `on_data` for each event that is whole now. Throws Error(kBadInput) for an event that is
  /// larger than any answer.
  void push(std::string_view bytes, const OnData& on_data);

 private:
  void take_line(std::string_view line, const OnData& on_data);

  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_return_ = false;  // the last byte was '\r', of which a '\n' may be part
};

}  // namespace fathom::api
