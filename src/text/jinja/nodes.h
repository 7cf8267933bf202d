// A parsed template: expressions that evaluate and statements that run.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/context.h"
#include "text/jinja/value.h"

namespace fathom::text::jinja {

struct Expression {
  explicit Expression(int line) : line(line) {}
  virtual ~Expression() = default;
  /// Counts the step and the depth, then computes.
  Value evaluate(Context& context) const;

  const int line;

 protected:
  virtual Value compute(Context& context) const = 0;
};
using ExpressionPtr = std::unique_ptr<Expression>;

struct Statement {
  explicit Statement(int line) : line(line) {}
  virtual ~Statement() = default;
  /// Counts the step and the depth, then runs.
  Flow run(Context& context) const;

  const int line;

 protected:
  virtual Flow execute(Context& context) const = 0;
};
using StatementPtr = std::unique_ptr<Statement>;
using Block = std::vector<StatementPtr>;

Flow run_block(const Block& block, Context& context);

/// Arguments as written in a call.
struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

// --- Expressions

struct Literal : Expression {
  Literal(int line, Value value) : Expression(line), value(std::move(value)) {}
  Value compute(Context&) const override { return value; }
  Value value;
};

struct Variable : Expression {
  Variable(int line, std::string name) : Expression(line), name(std::move(name)) {}
  Value compute(Context& context) const override;
  std::string name;
};

struct ListLiteral : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  std::vector<ExpressionPtr> items;
};

struct DictLiteral : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

/// object.name
struct Attribute : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr object;
  std::string name;
};

/// object[key]
struct Subscript : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr object, key;
};

/// object[start:stop:step]; parts left out are null.
struct Slice : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr object, start, stop, step;
};

struct Call : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr callee;
  ArgumentList arguments;
};

/// value | name(arguments)
struct FilterCall : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr object;
  std::string name;
  ArgumentList arguments;
};

/// value is name argument
struct TestCall : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr object;
  std::string name;
  ArgumentList arguments;
  bool negate = false;
};

struct Unary : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  std::string op;  ///< "-", "+" or "not"
  ExpressionPtr operand;
};

struct Binary : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  std::string op;  ///< + - * / // % ** ~ and or
  ExpressionPtr left, right;
};

/// a < b == c: each neighbour pair must hold.
struct Comparison : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;  ///< "==" ... "in", "not in"
};

struct Conditional : Expression {
  using Expression::Expression;
  Value compute(Context& context) const override;
  ExpressionPtr condition, then, otherwise;  ///< `otherwise` may be null
};

// --- Statements

struct TextStatement : Statement {
  TextStatement(int line, std::string text) : Statement(line), text(std::move(text)) {}
  Flow execute(Context& context) const override;
  std::string text;
};

struct PrintStatement : Statement {
  using Statement::Statement;
  Flow execute(Context& context) const override;
  ExpressionPtr value;
};

struct IfStatement : Statement {
  using Statement::Statement;
  Flow execute(Context& context) const override;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block otherwise;
};

struct ForStatement : Statement {
  using Statement::Statement;
  Flow execute(Context& context) const override;
  std::vector<std::string> targets;  ///< more than one: each item is taken apart
  ExpressionPtr items;
  ExpressionPtr filter;  ///< may be null
  Block body, otherwise;
};

/// {% set a, b = value %}, or with `field` {% set a.field = value %}, or {% set a %}block{% endset
/// %}.
struct SetStatement : Statement {
  using Statement::Statement;
  Flow execute(Context& context) const override;
  std::vector<std::string> targets;
  std::string field;
  ExpressionPtr value;  ///< null: the block's output
  Block block;
};

class MacroStatement : public Statement {
 public:
  using Statement::Statement;
  Flow execute(Context& context) const override;
  Value call(Context& context, const Arguments& arguments, int line) const;
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;  ///< the default may be null
  Block body;
};

/// {% filter name %}block{% endfilter %}
struct FilterStatement : Statement {
  using Statement::Statement;
  Flow execute(Context& context) const override;
  std::string name;
  ArgumentList arguments;
  Block block;
};

/// {% generation %}: marks what the model says; only its content counts here.
struct GroupStatement : Statement {
  using Statement::Statement;
  Flow execute(Context& context) const override { return run_block(block, context); }
  Block block;
};

struct FlowStatement : Statement {
  FlowStatement(int line, Flow flow) : Statement(line), flow(flow) {}
  Flow execute(Context&) const override { return flow; }
  Flow flow;
};

}  // namespace fathom::text::jinja
