#include <algorithm>
#include <stdexcept>

#include "text/jinja/builtins.h"
#include "text/jinja/lexer.h"
#include "text/jinja/nodes.h"
#include "text/jinja/operators.h"

namespace fathom::text::jinja {
namespace {

// Gives `value` to one name, or its items to several.
void assign(const std::vector<std::string>& targets, const Value& value, Context& context,
            int line) {
  if (targets.size() == 1) return context.set(targets[0], value);
  const auto* items = value.as_list();
  if (items == nullptr || items->size() != targets.size()) {
    fail_at(ErrorKind::kBadInput, line, "{} names for a {} of {}", targets.size(),
            value.type_name(), items ? items->size() : 1);
  }
  for (size_t i = 0; i < targets.size(); ++i) context.set(targets[i], (*items)[i]);
}

Value loop_variable(const List& items, size_t i) {
  const auto n = static_cast<int64_t>(items.size());
  const auto at = static_cast<int64_t>(i);
  Dict loop;
  loop.set("index", at + 1);
  loop.set("index0", at);
  loop.set("revindex", n - at);
  loop.set("revindex0", n - at - 1);
  loop.set("first", i == 0);
  loop.set("last", i + 1 == items.size());
  loop.set("length", n);
  loop.set("previtem", i > 0 ? items[i - 1] : Value());
  loop.set("nextitem", i + 1 < items.size() ? items[i + 1] : Value());
  return loop;
}

std::string captured(const Block& block, Context& context) {
  context.begin_capture();
  run_block(block, context);
  return context.end_capture();
}

}  // namespace

Flow Statement::run(Context& context) const {
  context.step(line);
  context.enter(line);
  try {
    const Flow flow = execute(context);
    context.leave();
    return flow;
  } catch (const std::domain_error& error) {
    fail_at(ErrorKind::kBadInput, line, "{}", error.what());
  }
}

Flow run_block(const Block& block, Context& context) {
  for (const auto& statement : block) {
    const Flow flow = statement->run(context);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Flow TextStatement::execute(Context& context) const {
  context.write(text);
  return Flow::kNext;
}

Flow PrintStatement::execute(Context& context) const {
  const Value shown = value->evaluate(context);
  if (const auto* text = shown.as_string()) {
    context.step(line, cost_of(shown));
    context.write(*text);
  } else {
    const std::string text_of_it = shown.to_string();
    context.step(line, text_of_it.size() / 16);
    context.write(text_of_it);
  }
  return Flow::kNext;
}

Flow IfStatement::execute(Context& context) const {
  for (const auto& [condition, block] : branches) {
    if (condition->evaluate(context).truthy()) return run_block(block, context);
  }
  return run_block(otherwise, context);
}

Flow ForStatement::execute(Context& context) const {
  const Value over = items->evaluate(context);
  List list = items_of(over);
  context.step(line, list.size());
  if (filter) {
    List kept;
    for (const Value& item : list) {
      context.push_scope();
      assign(targets, item, context, line);
      if (filter->evaluate(context).truthy()) kept.push_back(item);
      context.pop_scope();
    }
    list = std::move(kept);
  }
  if (list.empty()) return run_block(otherwise, context);
  for (size_t i = 0; i < list.size(); ++i) {
    context.push_scope();
    context.set("loop", loop_variable(list, i));
    assign(targets, list[i], context, line);
    const Flow flow = run_block(body, context);
    context.pop_scope();
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

Flow SetStatement::execute(Context& context) const {
  const Value result = value ? value->evaluate(context) : Value(captured(block, context));
  if (field.empty()) {
    assign(targets, result, context, line);
    return Flow::kNext;
  }
  Namespace* ns = context.lookup(targets[0]).as_namespace();
  if (ns == nullptr) fail_at(ErrorKind::kBadInput, line, "'{}' is not a namespace", targets[0]);
  ns->fields.set(field, result);
  return Flow::kNext;
}

Flow MacroStatement::execute(Context& context) const {
  context.set(name, Function{name, this});
  return Flow::kNext;
}

Value MacroStatement::call(Context& context, const Arguments& arguments, int call_line) const {
  std::vector<std::string_view> names;
  for (const auto& parameter : parameters) names.push_back(parameter.first);
  if (arguments.positional.size() > parameters.size()) {
    fail_at(ErrorKind::kBadInput, call_line, "the macro '{}' takes {} arguments, not {}", name,
            parameters.size(), arguments.positional.size());
  }
  for (const auto& entry : arguments.named) {
    if (std::find(names.begin(), names.end(), entry.first) == names.end()) {
      fail_at(ErrorKind::kBadInput, call_line, "the macro '{}' has no argument '{}'", name,
              entry.first);
    }
  }
  std::vector<Dict> callers = context.enter_macro();
  for (size_t i = 0; i < parameters.size(); ++i) {
    Value value = argument(arguments, i, parameters[i].first);
    if (value.is_undefined() && parameters[i].second)
      value = parameters[i].second->evaluate(context);
    context.set(parameters[i].first, value);
  }
  std::string text = captured(body, context);
  context.leave_macro(std::move(callers));
  return text;
}

Flow FilterStatement::execute(Context& context) const {
  Arguments values;
  for (const auto& item : arguments.positional)
    values.positional.push_back(item->evaluate(context));
  for (const auto& [key, item] : arguments.named)
    values.named.emplace_back(key, item->evaluate(context));
  const Value result = apply_filter(context, name, captured(block, context), values);
  context.write(result.to_string());
  return Flow::kNext;
}

}  // namespace fathom::text::jinja
