#include "text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "text/jinja/builtins.h"

namespace fathom::text::jinja {
namespace {

using Kind = Token::Kind;

constexpr int kMaxNesting = 60;
constexpr int kMaxChain = 200;  // of operators at one level: each is a level of the tree

[[noreturn]] void unexpected(const Token& token, std::string_view wanted) {
  const std::string_view found = token.kind == Kind::kEnd            ? "the end"
                                 : token.kind == Kind::kStatementEnd ? "%}"
                                 : token.kind == Kind::kExpressionEnd
                                     ? "}}"
                                     : std::string_view(token.text);
  fail_at(ErrorKind::kBadInput, token.line, "expected {}, found '{}'", wanted, found);
}

class ExpressionParser {
 public:
  explicit ExpressionParser(TokenStream& tokens) : tokens_(tokens) {}

  ExpressionPtr expression(bool conditional) {
    const TokenStream::Nesting nesting(tokens_);
    ExpressionPtr value = or_expression();
    for (int chain = 0; conditional && tokens_.accept_name("if"); ++chain) {
      check_chain(chain);
      auto node = make<Conditional>();
      node->then = std::move(value);
      node->condition = or_expression();
      if (tokens_.accept_name("else")) node->otherwise = expression(true);
      value = std::move(node);
    }
    return value;
  }

  ExpressionPtr list() {
    ExpressionPtr first = expression(true);
    if (!tokens_.peek().is_operator(",")) return first;
    auto node = make<ListLiteral>();
    node->items.push_back(std::move(first));
    while (tokens_.accept(",") && starts_expression()) node->items.push_back(expression(true));
    return node;
  }

  ArgumentList arguments() {
    ArgumentList arguments;
    bool first = true;
    while (!tokens_.accept(")")) {
      if (!first) tokens_.expect_operator(",");
      first = false;
      if (tokens_.accept(")")) break;
      if (tokens_.peek().is_operator("*") || tokens_.peek().is_operator("**")) {
        fail_at(ErrorKind::kUnsupported, tokens_.line(),
                "arguments taken from a list are not supported");
      }
      if (tokens_.peek().kind == Kind::kName && tokens_.peek(1).is_operator("=")) {
        std::string name = tokens_.next().text;
        tokens_.next();
        arguments.named.emplace_back(std::move(name), expression(true));
      } else {
        if (!arguments.named.empty()) unexpected(tokens_.peek(), "a named argument");
        arguments.positional.push_back(expression(true));
      }
    }
    return arguments;
  }

 private:
  template <typename T>
  std::unique_ptr<T> make() const {
    return std::make_unique<T>(tokens_.line());
  }

  void check_chain(int length) const {
    if (length >= kMaxChain)
      fail_at(ErrorKind::kUnsupported, tokens_.line(), "an expression this long");
  }

  bool starts_expression() const {
    const Token& token = tokens_.peek();
    return token.kind != Kind::kStatementEnd && token.kind != Kind::kExpressionEnd &&
           !token.is_operator(")") && !token.is_operator("]") && !token.is_operator("}") &&
           !token.is_operator("=");
  }

  ExpressionPtr binary(ExpressionPtr left, std::string op, ExpressionPtr right, int line) const {
    auto node = std::make_unique<Binary>(line);
    node->op = std::move(op);
    node->left = std::move(left);
    node->right = std::move(right);
    return node;
  }

  // operand (op operand)*, grouping to the left.
  template <typename Operand, typename Accepts>
  ExpressionPtr left_chain(Operand operand, Accepts accepts) {
    ExpressionPtr left = (this->*operand)();
    for (int chain = 0; accepts(tokens_.peek()); ++chain) {
      check_chain(chain);
      const Token op = tokens_.next();
      left = binary(std::move(left), op.text, (this->*operand)(), op.line);
    }
    return left;
  }

  ExpressionPtr or_expression() {
    return left_chain(&ExpressionParser::and_expression,
                      [](const Token& t) { return t.is_name("or"); });
  }
  ExpressionPtr and_expression() {
    return left_chain(&ExpressionParser::not_expression,
                      [](const Token& t) { return t.is_name("and"); });
  }

  ExpressionPtr not_expression() {
    if (!tokens_.peek().is_name("not")) return comparison();
    const TokenStream::Nesting nesting(tokens_);
    auto node = make<Unary>();
    node->op = tokens_.next().text;
    node->operand = not_expression();
    return node;
  }

  ExpressionPtr comparison() {
    ExpressionPtr first = sum();
    if (comparison_operator().empty()) return first;
    auto node = make<Comparison>();
    node->first = std::move(first);
    for (std::string op; !(op = comparison_operator()).empty();) {
      tokens_.next();
      if (op == "not in") tokens_.next();
      node->rest.emplace_back(op, sum());
    }
    return node;
  }

  // The one that comes next, or empty.
  std::string comparison_operator() const {
    const Token& token = tokens_.peek();
    if (token.is_name("in")) return "in";
    if (token.is_name("not") && tokens_.peek(1).is_name("in")) return "not in";
    for (const std::string_view op : {"==", "!=", "<", "<=", ">", ">="}) {
      if (token.is_operator(op)) return std::string(op);
    }
    return {};
  }

  ExpressionPtr sum() {
    return left_chain(&ExpressionParser::concatenation,
                      [](const Token& t) { return t.is_operator("+") || t.is_operator("-"); });
  }
  ExpressionPtr concatenation() {
    return left_chain(&ExpressionParser::product,
                      [](const Token& t) { return t.is_operator("~"); });
  }
  ExpressionPtr product() {
    return left_chain(&ExpressionParser::power, [](const Token& t) {
      return t.is_operator("*") || t.is_operator("/") || t.is_operator("//") || t.is_operator("%");
    });
  }
  ExpressionPtr power() {
    return left_chain(&ExpressionParser::filtered_unary,
                      [](const Token& t) { return t.is_operator("**"); });
  }
  ExpressionPtr filtered_unary() { return filters(unary()); }

  ExpressionPtr unary() {
    if (!tokens_.peek().is_operator("-") && !tokens_.peek().is_operator("+"))
      return postfix(primary());
    const TokenStream::Nesting nesting(tokens_);
    auto node = make<Unary>();
    node->op = tokens_.next().text;
    node->operand = unary();
    return node;
  }

  // .name, [key] and (arguments) behind a value.
  ExpressionPtr postfix(ExpressionPtr value) {
    for (int chain = 0;; ++chain) {
      check_chain(chain);
      if (tokens_.accept(".")) {
        value = field(std::move(value));
      } else if (tokens_.accept("[")) {
        value = subscript(std::move(value));
      } else if (tokens_.accept("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr field(ExpressionPtr value) {
    const Token name = tokens_.next();
    if (name.kind == Kind::kInteger) {
      auto node = make<Subscript>();
      node->object = std::move(value);
      node->key = integer(name);
      return node;
    }
    if (name.kind != Kind::kName) unexpected(name, "a name after '.'");
    auto node = std::make_unique<Attribute>(name.line);
    node->object = std::move(value);
    node->name = name.text;
    return node;
  }

  ExpressionPtr subscript(ExpressionPtr value) {
    auto slice = make<Slice>();
    ExpressionPtr key;
    if (!tokens_.peek().is_operator(":")) key = expression(true);
    if (!tokens_.peek().is_operator(":")) {
      tokens_.expect_operator("]");
      auto node = make<Subscript>();
      node->object = std::move(value);
      node->key = std::move(key);
      return node;
    }
    tokens_.next();
    slice->object = std::move(value);
    slice->start = std::move(key);
    const auto ends = [this] {
      return tokens_.peek().is_operator(":") || tokens_.peek().is_operator("]");
    };
    if (!ends()) slice->stop = expression(true);
    if (tokens_.accept(":") && !ends()) slice->step = expression(true);
    tokens_.expect_operator("]");
    return slice;
  }

  ExpressionPtr call(ExpressionPtr callee) {
    auto node = make<Call>();
    node->callee = std::move(callee);
    node->arguments = arguments();
    return node;
  }

  // | filter and `is test` behind a value.
  ExpressionPtr filters(ExpressionPtr value) {
    for (int chain = 0;; ++chain) {
      check_chain(chain);
      if (tokens_.accept("|")) {
        value = filter(std::move(value));
      } else if (tokens_.accept_name("is")) {
        value = test(std::move(value));
      } else if (tokens_.peek().is_operator("(") && chain > 0) {
        tokens_.next();
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr filter(ExpressionPtr value) {
    auto node = make<FilterCall>();
    node->object = std::move(value);
    node->name = tokens_.expect(Kind::kName, "the name of a filter").text;
    if (!filter_is_known(node->name)) {
      fail_at(ErrorKind::kUnsupported, node->line, "the filter '{}' is not supported", node->name);
    }
    if (tokens_.accept("(")) node->arguments = arguments();
    return node;
  }

  ExpressionPtr test(ExpressionPtr value) {
    auto node = make<TestCall>();
    node->object = std::move(value);
    node->negate = tokens_.accept_name("not");
    node->name = tokens_.expect(Kind::kName, "the name of a test").text;
    if (!test_is_known(node->name)) {
      fail_at(ErrorKind::kUnsupported, node->line, "the test '{}' is not supported", node->name);
    }
    if (tokens_.accept("(")) {
      node->arguments = arguments();
    } else if (starts_test_argument()) {
      const TokenStream::Nesting nesting(tokens_);
      node->arguments.positional.push_back(postfix(primary()));
    }
    return node;
  }

  bool starts_test_argument() const {
    const Token& token = tokens_.peek();
    if (token.kind == Kind::kName) {
      static constexpr std::string_view kNot[] = {"else", "or", "and", "is",
                                                  "if",   "in", "not", "recursive"};
      return std::find(std::begin(kNot), std::end(kNot), token.text) == std::end(kNot);
    }
    return token.kind == Kind::kString || token.kind == Kind::kInteger ||
           token.kind == Kind::kFloat || token.is_operator("[") || token.is_operator("{");
  }

  ExpressionPtr primary() {
    const Token token = tokens_.next();
    switch (token.kind) {
      case Kind::kName:
        return name(token);
      case Kind::kInteger:
        return integer(token);
      case Kind::kFloat:
        return std::make_unique<Literal>(token.line, std::strtod(token.text.c_str(), nullptr));
      case Kind::kString: {
        std::string text = token.text;
        while (tokens_.peek().kind == Kind::kString) text += tokens_.next().text;
        return std::make_unique<Literal>(token.line, std::move(text));
      }
      default:
        break;
    }
    if (token.is_operator("(")) return parenthesized(token.line);
    if (token.is_operator("[")) return list_literal(token.line);
    if (token.is_operator("{")) return dict_literal(token.line);
    unexpected(token, "a value");
  }

  ExpressionPtr name(const Token& token) const {
    const std::string& text = token.text;
    if (text == "true" || text == "True") return std::make_unique<Literal>(token.line, true);
    if (text == "false" || text == "False") return std::make_unique<Literal>(token.line, false);
    if (text == "none" || text == "None") return std::make_unique<Literal>(token.line, None{});
    return std::make_unique<Variable>(token.line, text);
  }

  ExpressionPtr integer(const Token& token) const {
    int64_t value = 0;
    const char* end = token.text.data() + token.text.size();
    const auto read = std::from_chars(token.text.data(), end, value);
    if (read.ec != std::errc()) {
      fail_at(ErrorKind::kUnsupported, token.line, "the number {} is beyond 64 bits", token.text);
    }
    return std::make_unique<Literal>(token.line, value);
  }

  ExpressionPtr parenthesized(int line) {
    if (tokens_.accept(")")) return std::make_unique<ListLiteral>(line);
    ExpressionPtr inside = list();
    tokens_.expect_operator(")");
    return inside;
  }

  ExpressionPtr list_literal(int line) {
    auto node = std::make_unique<ListLiteral>(line);
    while (!tokens_.accept("]")) {
      if (!node->items.empty()) tokens_.expect_operator(",");
      if (tokens_.accept("]")) break;
      node->items.push_back(expression(true));
    }
    return node;
  }

  ExpressionPtr dict_literal(int line) {
    auto node = std::make_unique<DictLiteral>(line);
    while (!tokens_.accept("}")) {
      if (!node->entries.empty()) tokens_.expect_operator(",");
      if (tokens_.accept("}")) break;
      ExpressionPtr key = expression(true);
      tokens_.expect_operator(":");
      node->entries.emplace_back(std::move(key), expression(true));
    }
    return node;
  }

  TokenStream& tokens_;
};

}  // namespace

bool TokenStream::accept(std::string_view op) {
  if (!peek().is_operator(op)) return false;
  next();
  return true;
}

bool TokenStream::accept_name(std::string_view name) {
  if (!peek().is_name(name)) return false;
  next();
  return true;
}

Token TokenStream::expect(Token::Kind kind, std::string_view what) {
  if (peek().kind != kind) unexpected(peek(), what);
  return next();
}

void TokenStream::expect_operator(std::string_view op) {
  if (!accept(op)) unexpected(peek(), "'" + std::string(op) + "'");
}

TokenStream::Nesting::Nesting(TokenStream& stream) : stream_(stream) {
  if (stream_.depth_ >= kMaxNesting) {
    fail_at(ErrorKind::kUnsupported, stream_.line(), "nesting this deep is not supported");
  }
  ++stream_.depth_;
}

ExpressionPtr parse_expression(TokenStream& tokens, bool conditional) {
  return ExpressionParser(tokens).expression(conditional);
}
ExpressionPtr parse_expression_list(TokenStream& tokens) { return ExpressionParser(tokens).list(); }
ArgumentList parse_arguments(TokenStream& tokens) { return ExpressionParser(tokens).arguments(); }

}  // namespace fathom::text::jinja
