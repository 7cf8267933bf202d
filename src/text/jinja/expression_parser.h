// Expressions out of a template's tokens, with Jinja2's precedence.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/lexer.h"
#include "text/jinja/nodes.h"

namespace fathom::text::jinja {

/// Tokens read from the front. Looking past the end gives kEnd.
class TokenStream {
 public:
  explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  const Token& peek(size_t ahead = 0) const {
    return tokens_[std::min(pos_ + ahead, tokens_.size() - 1)];
  }
  Token next() {
    const Token& token = peek();
    if (pos_ + 1 < tokens_.size()) ++pos_;
    return token;
  }
  int line() const { return peek().line; }
  bool accept(std::string_view op);
  bool accept_name(std::string_view name);
  Token expect(Token::Kind kind, std::string_view what);
  void expect_operator(std::string_view op);

  /// Counts how deep the parser has gone, and throws when that is too deep for the stack.
  class Nesting {
   public:
    explicit Nesting(TokenStream& stream);
    ~Nesting() { --stream_.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    TokenStream& stream_;
  };

 private:
  std::vector<Token> tokens_;
  size_t pos_ = 0;
  int depth_ = 0;
};

/// One expression; `conditional` says whether `a if b else c` may be part of it.
ExpressionPtr parse_expression(TokenStream& tokens, bool conditional);
/// One expression, or several separated by commas, which make a list.
ExpressionPtr parse_expression_list(TokenStream& tokens);
/// After '(' up to and with ')'.
ArgumentList parse_arguments(TokenStream& tokens);

}  // namespace fathom::text::jinja
