#include <stdexcept>

#include "text/jinja/builtins.h"
#include "text/jinja/lexer.h"
#include "text/jinja/nodes.h"
#include "text/jinja/operators.h"

namespace fathom::text::jinja {
namespace {

Arguments evaluate_arguments(const ArgumentList& list, Context& context) {
  Arguments arguments;
  for (const auto& item : list.positional) arguments.positional.push_back(item->evaluate(context));
  for (const auto& [name, item] : list.named) {
    arguments.named.emplace_back(name, item->evaluate(context));
  }
  return arguments;
}

// Looking for a text in another takes up to the product of their lengths.
size_t cost_of(const Value& subject, const Arguments& arguments) {
  size_t cost = jinja::cost_of(subject);
  for (const Value& value : arguments.positional) cost *= 1 + jinja::cost_of(value) / 4;
  return cost;
}

[[noreturn]] void fail_undefined(const Expression& object, int line, std::string_view wanted) {
  std::string name = "a value";
  if (const auto* variable = dynamic_cast<const Variable*>(&object))
    name = "'" + variable->name + "'";
  if (const auto* field = dynamic_cast<const Attribute*>(&object)) name = "'" + field->name + "'";
  fail_at(ErrorKind::kBadInput, line, "{} is undefined, so it has no {}", name, wanted);
}

}  // namespace

Value Expression::evaluate(Context& context) const {
  context.step(line);
  context.enter(line);
  try {
    Value value = compute(context);
    context.leave();
    return value;
  } catch (const std::domain_error& error) {
    fail_at(ErrorKind::kBadInput, line, "{}", error.what());
  }
}

Value Variable::compute(Context& context) const {
  Value value = context.lookup(name);
  if (value.is_undefined() && function_is_known(name)) return Function{name};
  return value;
}

Value ListLiteral::compute(Context& context) const {
  List values;
  for (const auto& item : items) values.push_back(item->evaluate(context));
  return values;
}

Value DictLiteral::compute(Context& context) const {
  Dict dict;
  for (const auto& [key, value] : entries) {
    const Value name = key->evaluate(context);
    if (!name.as_string())
      fail_at(ErrorKind::kUnsupported, line, "a key that is no string is not supported");
    dict.set(*name.as_string(), value->evaluate(context));
  }
  return dict;
}

Value Attribute::compute(Context& context) const {
  const Value value = object->evaluate(context);
  if (value.is_undefined()) fail_undefined(*object, line, name);
  return field_of(value, name);
}

Value Subscript::compute(Context& context) const {
  const Value value = object->evaluate(context);
  if (value.is_undefined()) fail_undefined(*object, line, "elements");
  context.step(line, value.as_string() ? jinja::cost_of(value) : 0);
  return element_of(value, key->evaluate(context));
}

Value Slice::compute(Context& context) const {
  const Value value = object->evaluate(context);
  if (value.is_undefined()) fail_undefined(*object, line, "elements");
  context.step(line, jinja::cost_of(value));
  const auto part = [&context](const ExpressionPtr& e) {
    return e ? e->evaluate(context) : Value();
  };
  return slice_of(value, part(start), part(stop), part(step));
}

Value Call::compute(Context& context) const {
  const Arguments values = evaluate_arguments(arguments, context);
  if (const auto* method = dynamic_cast<const Attribute*>(callee.get())) {
    const Value object = method->object->evaluate(context);
    if (object.is_undefined()) fail_undefined(*method->object, line, method->name);
    context.step(line, cost_of(object, values));
    try {
      return call_method(object, method->name, values);
    } catch (const std::invalid_argument&) {
      fail_at(ErrorKind::kUnsupported, line, "the method '{}' of a {} is not supported",
              method->name, object.type_name());
    }
  }
  const Value function = callee->evaluate(context);
  if (!function.as_function()) {
    fail_at(ErrorKind::kBadInput, line, "a {} is called as a function", function.type_name());
  }
  if (const MacroStatement* macro = function.as_function()->macro)
    return macro->call(context, values, line);
  return call_function(context, function.as_function()->name, values);
}

Value FilterCall::compute(Context& context) const {
  const Value value = object->evaluate(context);
  const Arguments values = evaluate_arguments(arguments, context);
  context.step(line, cost_of(value, values));
  return apply_filter(context, name, value, values);
}

Value TestCall::compute(Context& context) const {
  const Value value = object->evaluate(context);
  const Arguments values = evaluate_arguments(arguments, context);
  context.step(line, values.positional.empty() ? 0 : cost_of(value, values));
  return apply_test(name, value, values) != negate;
}

Value Unary::compute(Context& context) const {
  const Value value = operand->evaluate(context);
  if (op == "not") return !value.truthy();
  if (!value.is_number())
    fail_at(ErrorKind::kBadInput, line, "'{}' does not take {}", op, value.type_name());
  return apply_operator("*", value, int64_t{op == "-" ? -1 : 1});
}

Value Binary::compute(Context& context) const {
  const Value first = left->evaluate(context);
  if (op == "and" && !first.truthy()) return first;
  if (op == "or" && first.truthy()) return first;
  const Value second = right->evaluate(context);
  if (op == "and" || op == "or") return second;
  context.step(line, jinja::cost_of(first) + jinja::cost_of(second));
  return apply_operator(op, first, second);
}

Value Comparison::compute(Context& context) const {
  Value left = first->evaluate(context);
  for (const auto& [op, operand] : rest) {
    const Value right = operand->evaluate(context);
    context.step(line,
                 jinja::cost_of(left) * (1 + jinja::cost_of(right) / 4) + jinja::cost_of(right));
    if (!compare(op, left, right)) return false;
    left = right;
  }
  return true;
}

Value Conditional::compute(Context& context) const {
  if (condition->evaluate(context).truthy()) return then->evaluate(context);
  return otherwise ? otherwise->evaluate(context) : Value();
}

}  // namespace fathom::text::jinja
