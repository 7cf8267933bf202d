#include "api/choice_text.h"

#include <algorithm>
#include <utility>

namespace fathom::api {
namespace {

void append(text::ToolCallPiece&& piece, AnswerEvent& event) {
  event.text += piece.content;
  for (text::ToolCallDelta& call : piece.calls) event.calls.push_back(std::move(call));
}

/// JSON has no infinity, which a token that a constraint rules out has. The API's word for it:
float finite(float logprob) { return std::max(logprob, -9999.0f); }

}  // namespace

ChoiceText::ChoiceText(const ChoiceTextOptions& options)
    : tokenizer_(options.tokenizer),
      detokenizer_(options.tokenizer, true),
      stops_(options.stop),
      logprobs_(options.logprobs) {
  if (options.parse_calls) parser_.emplace();
}

void ChoiceText::add_text(const std::string& text, AnswerEvent& event) {
  if (parser_) {
    append(parser_->push(text), event);
  } else {
    event.text += text;
  }
}

TextLogprob ChoiceText::logprob_of(const GeneratedToken& token) const {
  TextLogprob out{std::string(tokenizer_->token_bytes(token.id)), finite(token.logprob), {}};
  for (const TokenLogprob& other : token.top) {
    out.top.emplace_back(tokenizer_->token_bytes(other.id), finite(other.logprob));
  }
  return out;
}

AnswerEvent ChoiceText::push(const GeneratedToken& token) {
  AnswerEvent event;
  event.tokens = 1;
  if (logprobs_) waiting_.push_back(logprob_of(token));
  const std::string given = stops_.push(detokenizer_.push(token.id));
  add_text(given, event);
  if (!given.empty()) event.logprobs = std::move(waiting_);
  // Tokens of which only the stop string is made are no part of the answer.
  if (!given.empty() || stopped()) waiting_.clear();
  return event;
}

AnswerEvent ChoiceText::finish(FinishReason reason) {
  AnswerEvent event;
  std::string tail = stops_.push(detokenizer_.finish());
  if (!stops_.stopped()) tail += stops_.finish();
  add_text(tail, event);
  if (parser_) append(parser_->finish(), event);
  event.logprobs = std::move(waiting_);
  switch (reason) {
    case FinishReason::kStop:
      event.finish_reason = parser_ && parser_->calls() > 0 ? "tool_calls" : "stop";
      break;
    case FinishReason::kLength:
      event.finish_reason = "length";
      break;
    default:
      event.finish_reason = kCutShort;
  }
  return event;
}

}  // namespace fathom::api
