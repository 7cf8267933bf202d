// Function calls in the model's own text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace fathom::text {

inline constexpr std::string_view kCallsBegin = "<｜tool▁calls▁begin｜>";
inline constexpr std::string_view kCallsEnd = "<｜tool▁calls▁end｜>";
inline constexpr std::string_view kCallBegin = "<｜tool▁call▁begin｜>";
inline constexpr std::string_view kCallEnd = "<｜tool▁call▁end｜>";
inline constexpr std::string_view kCallSeparator = "<｜tool▁sep｜>";

/// A part of a call. The first of a call carries its name, and every one a part of its arguments'
/// JSON text, which the parts joined are, byte for byte as the model wrote it.
struct ToolCallDelta {
  int index = 0;  ///< 0, 1, ... in order of appearance
  std::string name;
  std::string arguments;
};

struct ToolCallPiece {
  std::string content;
  std::vector<ToolCallDelta> calls;
};

/// Takes streamed text apart into content and calls, which look like this:
///
///     <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME
///     ```json
///     {"argument": "value"}
///     ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
///
/// with more calls after the first, on lines of their own or not. The fence may be missing, or the
/// end tags at the end of the text. Whatever does not have this form up to the `{` of its arguments
/// is content, tags and all. One text each.
class ToolCallParser {
 public:
  /// Adds `text` and returns what it settles; text that may yet be part of a tag is held back.
  ToolCallPiece push(std::string_view text);
  /// The end of the text: returns what was held back.
  ToolCallPiece finish();
  /// Calls met so far; "tool_calls" is the reason for the end only when this is not 0.
  int calls() const { return calls_; }

 private:
  enum class State { kContent, kBetween, kHeader, kArguments };
  // Each takes what it can off `buffer_` and says whether to go on in the state that it left.
  bool read_content(ToolCallPiece& out);
  bool read_between(ToolCallPiece& out);
  bool read_header(ToolCallPiece& out);
  bool read_arguments(ToolCallPiece& out);
  bool give_up(ToolCallPiece& out);
  void emit_arguments(std::string_view text, ToolCallPiece& out) const;

  State state_ = State::kContent;
  // Not yet given out. Outside of content and arguments it starts at `kCallsBegin`, or after the
  // last call's end, and `parsed_` says how much of it has been read.
  std::string buffer_;
  size_t parsed_ = 0;
  int calls_ = 0;
};

/// What to add to the system message so that the model knows `tools` and how to call them: the chat
/// template of DeepSeek-V3's launch leaves them out. `tools` is a list of {"type": "function",
/// "function": {"name", "description", "parameters"}}; each function is shown as its JSON. Throws
/// Error(kBadInput) naming the entry and field that is wrong.
std::string render_tools_prompt(const nlohmann::ordered_json& tools);

}  // namespace fathom::text
