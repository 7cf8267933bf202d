// The bodies of completion answers.
#include <algorithm>
#include <utility>
#include <vector>

#include "api/answer_bodies.h"

namespace fathom::api {
namespace {

int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

/// {text_offset, token_logprobs, tokens, top_logprobs}. `offset` is where the first token's text
/// begins, in characters, and moves on.
Json logprobs_json(const std::vector<TextLogprob>& tokens, int64_t& offset) {
  Json out = {{"text_offset", Json::array()},
              {"token_logprobs", Json::array()},
              {"tokens", Json::array()},
              {"top_logprobs", Json::array()}};
  for (const TextLogprob& token : tokens) {
    out["text_offset"].push_back(offset);
    out["token_logprobs"].push_back(token.logprob);
    out["tokens"].push_back(token.token);
    Json top = Json::object();
    for (const auto& [text, logprob] : token.top) top[text] = logprob;
    out["top_logprobs"].push_back(std::move(top));
    offset += characters(token.token);
  }
  return out;
}

class CompletionStream final : public EventStream {
 public:
  CompletionStream(const AnswerHead& head, const CompletionRequest& request)
      : EventStream(head, "text_completion", request.generation.include_usage),
        echo_(request.echo ? request.prompt : ""),
        choices_(static_cast<size_t>(request.generation.n)) {}

  void event(const AnswerEvent& event, std::string& out) override {
    const bool ends = !event.finish_reason.empty();
    if (event.text.empty() && event.logprobs.empty() && !ends) return;
    Choice& choice = choices_[event.choice];
    std::string text = event.text;
    if (!std::exchange(choice.begun, true)) {
      text.insert(0, echo_);
      choice.offset = characters(echo_);
    }
    Json logprobs;
    if (!event.logprobs.empty()) logprobs = logprobs_json(event.logprobs, choice.offset);
    open_chunk(out, event.choice);
    out += ",\"text\":";
    append_json(out, text);
    out += ",\"logprobs\":" + dump_json(logprobs);
    close_chunk(out, event.finish_reason);
  }

 private:
  struct Choice {
    bool begun = false;
    int64_t offset = 0;
  };
  const std::string echo_;
  std::vector<Choice> choices_;
};

class CompletionWhole final : public WholeBody {
 public:
  CompletionWhole(AnswerHead head, const CompletionRequest& request)
      : WholeBody(std::move(head)),
        echo_(request.echo ? request.prompt : ""),
        choices_(static_cast<size_t>(request.generation.n)) {}

  void event(const AnswerEvent& event, std::string&) override {
    Choice& choice = choices_[event.choice];
    choice.text += event.text;
    choice.logprobs.insert(choice.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
    if (!event.finish_reason.empty()) choice.finish_reason = event.finish_reason;
  }

  std::string end(const AnswerResult& result) override {
    Json list = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) {
      const Choice& choice = choices_[i];
      int64_t offset = characters(echo_);
      list.push_back(
          {{"index", i},
           {"text", echo_ + choice.text},
           {"logprobs", choice.logprobs.empty() ? Json() : logprobs_json(choice.logprobs, offset)},
           {"finish_reason", choice.finish_reason}});
    }
    return dump_json(body(result, "text_completion", std::move(list)));
  }

 private:
  struct Choice {
    std::string text;
    std::vector<TextLogprob> logprobs;
    std::string finish_reason;
  };
  const std::string echo_;
  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<AnswerWriter> completion_writer(AnswerHead head, const CompletionRequest& request) {
  if (request.generation.stream) return std::make_unique<CompletionStream>(head, request);
  return std::make_unique<CompletionWhole>(std::move(head), request);
}

}  // namespace fathom::api
