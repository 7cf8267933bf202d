#include "text/jinja/context.h"

#include "base/check.h"
#include "text/jinja/lexer.h"

namespace fathom::text::jinja {

Value Context::lookup(std::string_view name) const {
  for (size_t i = scopes_.size(); i-- > 0;) {
    if (const Value* found = scopes_[i].find(name)) return *found;
  }
  return {};
}

std::vector<Dict> Context::enter_macro() {
  std::vector<Dict> callers = std::move(scopes_);
  scopes_.clear();
  scopes_.push_back(callers.front());
  scopes_.emplace_back();
  return callers;
}

Namespace* Context::make_namespace(Dict fields) {
  namespaces_.push_back(std::make_unique<Namespace>(Namespace{std::move(fields)}));
  return namespaces_.back().get();
}

void Context::write(std::string_view text) {
  if (outputs_.back().size() + text.size() > kMaxText) {
    fail_at(ErrorKind::kBadInput, line_, "the output grows beyond 64 MB");
  }
  outputs_.back() += text;
}

std::string Context::end_capture() {
  FATHOM_CHECK(!outputs_.empty());
  std::string text = std::move(outputs_.back());
  outputs_.pop_back();
  return text;
}

void Context::step(int line, size_t cost) {
  line_ = line;
  steps_ += cost;
  if (steps_ > kMaxSteps)
    fail_at(ErrorKind::kBadInput, line, "the template does not come to an end");
}

void Context::enter(int line) {
  if (depth_ >= kMaxDepth) fail_at(ErrorKind::kBadInput, line, "nested too deeply");
  ++depth_;
}

}  // namespace fathom::text::jinja
