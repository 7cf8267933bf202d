#include "text/jinja/parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>

#include "text/jinja/builtins.h"
#include "text/jinja/expression_parser.h"
#include "text/jinja/lexer.h"

namespace fathom::text::jinja {
namespace {

using Kind = Token::Kind;

class TemplateParser {
 public:
  explicit TemplateParser(std::string_view source) : tokens_(tokenize_template(source)) {}

  Block parse() {
    Block block = block_until({});
    if (tokens_.peek().kind != Kind::kEnd) {
      fail_at(ErrorKind::kBadInput, tokens_.line(), "'{}' without a beginning",
              tokens_.peek(1).text);
    }
    return block;
  }

 private:
  // Statements up to a tag with one of these names, which is left to be read: its {% and the name.
  Block block_until(std::initializer_list<std::string_view> ends) {
    const TokenStream::Nesting nesting(tokens_);
    Block block;
    while (tokens_.peek().kind != Kind::kEnd) {
      const Token& token = tokens_.peek();
      if (token.kind == Kind::kText) {
        block.push_back(std::make_unique<TextStatement>(token.line, token.text));
        tokens_.next();
      } else if (token.kind == Kind::kExpressionBegin) {
        block.push_back(print());
      } else {
        const Token& name = tokens_.peek(1);
        if (name.kind != Kind::kName)
          fail_at(ErrorKind::kBadInput, name.line, "a tag without a name");
        if (name.text.starts_with("end") || name.text == "else" || name.text == "elif") {
          const bool expected = std::find(ends.begin(), ends.end(), name.text) != ends.end();
          if (expected || ends.size() == 0) return block;
          fail_at(ErrorKind::kBadInput, name.line, "'{}' where '{}' is expected", name.text,
                  *(ends.end() - 1));
        }
        block.push_back(statement());
      }
    }
    if (ends.size() > 0)
      fail_at(ErrorKind::kBadInput, tokens_.line(), "missing '{}'", *(ends.end() - 1));
    return block;
  }

  // Takes the {% name %} that block_until stopped at; without %} where more is to be read in it.
  std::string end_tag(bool close = true) {
    tokens_.next();
    std::string name = tokens_.next().text;
    if (close) tokens_.expect(Kind::kStatementEnd, "%}");
    return name;
  }

  StatementPtr print() {
    auto node = std::make_unique<PrintStatement>(tokens_.next().line);
    node->value = parse_expression(tokens_, true);
    tokens_.expect(Kind::kExpressionEnd, "}}");
    return node;
  }

  StatementPtr statement() {
    tokens_.next();
    const Token name = tokens_.next();
    const int line = name.line;
    if (name.text == "if") return if_statement(line);
    if (name.text == "for") return for_statement(line);
    if (name.text == "set") return set_statement(line);
    if (name.text == "macro") return macro_statement(line);
    if (name.text == "filter") return filter_statement(line);
    if (name.text == "generation") {
      auto node = std::make_unique<GroupStatement>(line);
      tokens_.expect(Kind::kStatementEnd, "%}");
      node->block = block_until({"endgeneration"});
      end_tag();
      return node;
    }
    if (name.text == "break" || name.text == "continue") {
      if (loops_ == 0) fail_at(ErrorKind::kBadInput, line, "'{}' outside of a loop", name.text);
      tokens_.expect(Kind::kStatementEnd, "%}");
      return std::make_unique<FlowStatement>(line,
                                             name.text == "break" ? Flow::kBreak : Flow::kContinue);
    }
    fail_at(ErrorKind::kUnsupported, line, "the tag '{}' is not supported", name.text);
  }

  StatementPtr if_statement(int line) {
    auto node = std::make_unique<IfStatement>(line);
    std::string tag = "if";
    while (tag != "else") {
      ExpressionPtr condition = parse_expression(tokens_, true);
      tokens_.expect(Kind::kStatementEnd, "%}");
      node->branches.emplace_back(std::move(condition), block_until({"elif", "else", "endif"}));
      tag = end_tag(false);
      if (tag == "endif") {
        tokens_.expect(Kind::kStatementEnd, "%}");
        return node;
      }
    }
    tokens_.expect(Kind::kStatementEnd, "%}");
    node->otherwise = block_until({"endif"});
    end_tag();
    return node;
  }

  StatementPtr for_statement(int line) {
    auto node = std::make_unique<ForStatement>(line);
    node->targets = target_names();
    if (!tokens_.accept_name("in")) fail_at(ErrorKind::kBadInput, line, "'for' without 'in'");
    node->items = parse_expression(tokens_, false);
    if (tokens_.accept_name("if")) node->filter = parse_expression(tokens_, true);
    if (tokens_.peek().is_name("recursive")) {
      fail_at(ErrorKind::kUnsupported, line, "a recursive loop is not supported");
    }
    tokens_.expect(Kind::kStatementEnd, "%}");
    ++loops_;
    node->body = block_until({"else", "endfor"});
    --loops_;
    if (end_tag() == "else") {
      node->otherwise = block_until({"endfor"});
      end_tag();
    }
    return node;
  }

  // a, or a, b, or (a, b).
  std::vector<std::string> target_names() {
    const bool parentheses = tokens_.accept("(");
    std::vector<std::string> names;
    do {
      if (!names.empty() && tokens_.peek().kind != Kind::kName) break;
      names.push_back(tokens_.expect(Kind::kName, "a name").text);
    } while (tokens_.accept(","));
    if (parentheses) tokens_.expect_operator(")");
    return names;
  }

  StatementPtr set_statement(int line) {
    auto node = std::make_unique<SetStatement>(line);
    node->targets = target_names();
    if (node->targets.size() == 1 && tokens_.accept(".")) {
      node->field = tokens_.expect(Kind::kName, "a name").text;
    }
    if (tokens_.accept("=")) {
      node->value = parse_expression_list(tokens_);
      tokens_.expect(Kind::kStatementEnd, "%}");
      return node;
    }
    if (tokens_.peek().is_operator("|")) {
      fail_at(ErrorKind::kUnsupported, line, "a filter on a set block is not supported");
    }
    tokens_.expect(Kind::kStatementEnd, "%}");
    node->block = block_outside_loop("endset");
    return node;
  }

  // A block that stands apart from the loops around it, with its end tag.
  Block block_outside_loop(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Block block = block_until({end});
    loops_ = loops;
    end_tag();
    return block;
  }

  StatementPtr macro_statement(int line) {
    auto node = std::make_unique<MacroStatement>(line);
    node->name = tokens_.expect(Kind::kName, "a name").text;
    tokens_.expect_operator("(");
    while (!tokens_.accept(")")) {
      if (!node->parameters.empty()) tokens_.expect_operator(",");
      if (tokens_.accept(")")) break;
      std::string name = tokens_.expect(Kind::kName, "a name").text;
      ExpressionPtr otherwise = tokens_.accept("=") ? parse_expression(tokens_, true) : nullptr;
      node->parameters.emplace_back(std::move(name), std::move(otherwise));
    }
    tokens_.expect(Kind::kStatementEnd, "%}");
    node->body = block_outside_loop("endmacro");
    return node;
  }

  StatementPtr filter_statement(int line) {
    auto node = std::make_unique<FilterStatement>(line);
    node->name = tokens_.expect(Kind::kName, "a name").text;
    if (!filter_is_known(node->name)) {
      fail_at(ErrorKind::kUnsupported, line, "the filter '{}' is not supported", node->name);
    }
    if (tokens_.accept("(")) node->arguments = parse_arguments(tokens_);
    tokens_.expect(Kind::kStatementEnd, "%}");
    node->block = block_outside_loop("endfilter");
    return node;
  }

  TokenStream tokens_;
  int loops_ = 0;
};

}  // namespace

Block parse_template(std::string_view source) { return TemplateParser(source).parse(); }

}  // namespace fathom::text::jinja
