// What a template is while it renders: its variables, its output and how much it has done.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace fathom::text::jinja {

/// What a statement asks of the loop around it.
enum class Flow { kNext, kBreak, kContinue };

/// Evaluated arguments of a call, filter or test.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// One render. Bounded: a template may not take more than a fixed number of steps, nest deeper than
/// kMaxDepth, or write more than kMaxText bytes; beyond that Error(kBadInput) is thrown.
class Context {
 public:
  static constexpr int kMaxDepth = 400;
  static constexpr size_t kMaxSteps = 20'000'000;

  explicit Context(Dict globals) { scopes_.push_back(std::move(globals)); }

  // --- Variables: the innermost scope that knows the name.
  Value lookup(std::string_view name) const;
  void set(std::string_view name, Value value) { scopes_.back().set(name, std::move(value)); }
  void push_scope() { scopes_.emplace_back(); }
  void pop_scope() { scopes_.pop_back(); }
  /// A macro sees the template's own variables and its parameters, not its caller's.
  std::vector<Dict> enter_macro();
  void leave_macro(std::vector<Dict> callers) { scopes_ = std::move(callers); }
  Namespace* make_namespace(Dict fields);

  // --- Output
  void write(std::string_view text);
  /// Collects what is written from here to end_capture().
  void begin_capture() { outputs_.emplace_back(); }
  std::string end_capture();

  // --- Limits. `line` is for the message.
  void step(int line, size_t cost = 1);
  void enter(int line);
  void leave() { --depth_; }

 private:
  std::vector<Dict> scopes_;
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  std::vector<std::string> outputs_{1};
  size_t steps_ = 0;
  int depth_ = 0;
  int line_ = 1;
};

}  // namespace fathom::text::jinja
