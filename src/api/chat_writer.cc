// The bodies of chat answers.
#include <utility>
#include <vector>

#include "api/answer_bodies.h"
#include "ledger/api_key.h"

namespace fathom::api {
namespace {

Json bytes_of(const std::string& token) {
  Json bytes = Json::array();
  for (const char c : token) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

Json logprobs_json(const std::vector<TextLogprob>& tokens) {
  Json content = Json::array();
  for (const TextLogprob& token : tokens) {
    Json top = Json::array();
    for (const auto& [text, logprob] : token.top) {
      top.push_back({{"token", text}, {"logprob", logprob}, {"bytes", bytes_of(text)}});
    }
    content.push_back({{"token", token.token},
                       {"logprob", token.logprob},
                       {"bytes", bytes_of(token.token)},
                       {"top_logprobs", std::move(top)}});
  }
  return {{"content", std::move(content)}};
}

std::string new_call_id(int index) {
  return "call_" + std::to_string(index) + "_" + ledger::new_uuid();
}

class ChatStream final : public EventStream {
 public:
  ChatStream(const AnswerHead& head, const ChatRequest& request)
      : EventStream(head, "chat.completion.chunk", request.generation.include_usage),
        begun_(static_cast<size_t>(request.generation.n), false) {}

  void event(const AnswerEvent& event, std::string& out) override {
    const bool ends = !event.finish_reason.empty();
    const bool says = !event.text.empty() || !event.reasoning.empty() || !event.calls.empty();
    if (!says && event.logprobs.empty() && !ends) return;
    if (!begun_[event.choice]) {
      begun_[event.choice] = true;
      chunk(out, event.choice, R"({"role":"assistant","content":""})", {}, "");
    }
    if (says || !event.logprobs.empty()) {
      chunk(out, event.choice, delta_of(event), event.logprobs, "");
    }
    if (ends) chunk(out, event.choice, R"({"content":""})", {}, event.finish_reason);
  }

 private:
  void chunk(std::string& out, int index, std::string_view delta,
             const std::vector<TextLogprob>& logprobs, std::string_view finish_reason) const {
    open_chunk(out, index);
    out += ",\"delta\":";
    out += delta;
    out += ",\"logprobs\":";
    out += logprobs.empty() ? "null" : dump_json(logprobs_json(logprobs));
    close_chunk(out, finish_reason);
  }

  static std::string delta_of(const AnswerEvent& event) {
    // Text and nothing else, as nearly all events are: worth a short way.
    if (event.reasoning.empty() && event.calls.empty()) {
      std::string delta = "{\"content\":";
      append_json(delta, event.text);
      return delta += '}';
    }
    Json delta = Json::object();
    if (!event.reasoning.empty()) delta["reasoning_content"] = event.reasoning;
    if (!event.text.empty()) delta["content"] = event.text;
    if (!event.calls.empty()) delta["tool_calls"] = calls(event.calls);
    return dump_json(delta);
  }

  static Json calls(const std::vector<text::ToolCallDelta>& deltas) {
    Json list = Json::array();
    for (const text::ToolCallDelta& delta : deltas) {
      Json call = {{"index", delta.index}};
      if (!delta.name.empty()) {
        call["id"] = new_call_id(delta.index);
        call["type"] = "function";
        call["function"]["name"] = delta.name;
      }
      call["function"]["arguments"] = delta.arguments;
      list.push_back(std::move(call));
    }
    return list;
  }

  std::vector<bool> begun_;  // by choice: its role was told
};

class ChatWhole final : public WholeBody {
 public:
  ChatWhole(AnswerHead head, const ChatRequest& request)
      : WholeBody(std::move(head)), choices_(static_cast<size_t>(request.generation.n)) {}

  void event(const AnswerEvent& event, std::string&) override {
    Choice& choice = choices_[event.choice];
    choice.text += event.text;
    choice.reasoning += event.reasoning;
    for (const text::ToolCallDelta& delta : event.calls) {
      if (choice.calls.size() <= static_cast<size_t>(delta.index)) {
        choice.calls.resize(delta.index + 1);
      }
      choice.calls[delta.index].name += delta.name;
      choice.calls[delta.index].arguments += delta.arguments;
    }
    choice.logprobs.insert(choice.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
    if (!event.finish_reason.empty()) choice.finish_reason = event.finish_reason;
  }

  std::string end(const AnswerResult& result) override {
    Json list = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) list.push_back(choice_json(i));
    return dump_json(body(result, "chat.completion", std::move(list)));
  }

 private:
  struct Choice {
    std::string text;
    std::string reasoning;
    std::vector<text::ToolCallDelta> calls;
    std::vector<TextLogprob> logprobs;
    std::string finish_reason;
  };

  Json choice_json(size_t index) const {
    const Choice& choice = choices_[index];
    Json message = {{"role", "assistant"}, {"content", choice.text}};
    if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
    for (size_t i = 0; i < choice.calls.size(); ++i) {
      const text::ToolCallDelta& call = choice.calls[i];
      message["tool_calls"].push_back(
          {{"index", i},
           {"id", new_call_id(static_cast<int>(i))},
           {"type", "function"},
           {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
    }
    return {{"index", index},
            {"message", std::move(message)},
            {"logprobs", choice.logprobs.empty() ? Json() : logprobs_json(choice.logprobs)},
            {"finish_reason", choice.finish_reason}};
  }

  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<AnswerWriter> chat_writer(AnswerHead head, const ChatRequest& request) {
  if (request.generation.stream) return std::make_unique<ChatStream>(head, request);
  return std::make_unique<ChatWhole>(std::move(head), request);
}

}  // namespace fathom::api
