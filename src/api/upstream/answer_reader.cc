#include "api/upstream/answer_reader.h"

#include <algorithm>
#include <utility>

#include "api/upstream/lenient_json.h"
#include "api/upstream/logprobs_reader.h"
#include "base/error.h"

namespace fathom::api {
namespace {

/// The API's word for why a choice ended.
std::string reason_of(const std::string& word) {
  if (word == "stop" || word == "length" || word == "content_filter" || word == "tool_calls" ||
      word == kCutShort) {
    return word;
  }
  if (word == "function_call") return "tool_calls";
  // SGLang, vLLM and LMDeploy when they give a request up; TensorRT-LLM when it is cancelled.
  if (word == "abort" || word == "error" || word == "cancelled") return kCutShort;
  // TGI says eos_token and stop_sequence.
  return "stop";
}

/// What of the prompt was cached: DeepSeek's own field, OpenAI's (vLLM, SGLang, TensorRT-LLM), and
/// one that some have beside the totals.
std::optional<int64_t> cached_tokens(const Json& usage) {
  if (const auto hit = count_member(&usage, "prompt_cache_hit_tokens")) return hit;
  if (const Json* details = member(&usage, "prompt_tokens_details")) {
    if (const auto cached = count_member(details, "cached_tokens")) return cached;
  }
  return count_member(&usage, "cached_tokens");
}

}  // namespace

AnswerReader::AnswerReader(AnswerReaderOptions options)
    : options_(std::move(options)), choices_(static_cast<size_t>(options_.choices)) {
  for (Choice& choice : choices_) {
    if (options_.parse_calls) choice.parser.emplace();
  }
}

std::vector<AnswerEvent> AnswerReader::take(const Json& body) {
  std::vector<AnswerEvent> events;
  const Json* usage = member(&body, "usage");
  const Json* list = member(&body, "choices");
  if (!list && !usage) {
    fail(ErrorKind::kBadInput, "neither choices nor usage: {}", dump_json(body).substr(0, 200));
  }
  const size_t count = list && list->is_array() ? list->size() : 0;
  // With one choice among several, usage is that choice's so far.
  const bool alone = options_.choices == 1 || count == 1;
  if (usage) take_usage(*usage, options_.choices == 1 || count != 1);
  for (size_t i = 0; i < count; ++i) {
    AnswerEvent event = take_choice((*list)[i], usage, alone);
    if (prompt_ && !std::exchange(prompt_told_, true)) event.prompt = prompt_;
    events.push_back(std::move(event));
  }
  return events;
}

void AnswerReader::take_usage(const Json& usage, bool total) {
  if (const auto prompt = count_member(&usage, "prompt_tokens"); prompt && *prompt > 0) {
    const int64_t hit = std::min(cached_tokens(usage).value_or(0), *prompt);
    prompt_ = PromptUse{hit, *prompt - hit};
  }
  if (!total) return;
  auto completion = count_member(&usage, "completion_tokens");
  if (!completion && prompt_) {
    const auto all = count_member(&usage, "total_tokens");
    const int64_t prompt = prompt_->hit + prompt_->miss;
    if (all && *all >= prompt) completion = *all - prompt;
  }
  if (completion) completion_ = completion;
}

AnswerEvent AnswerReader::take_choice(const Json& entry, const Json* usage, bool alone) {
  const int64_t index = count_member(&entry, "index").value_or(0);
  if (index >= options_.choices) {
    fail(ErrorKind::kBadInput, "choice {} of {}", index, options_.choices);
  }
  Choice& choice = choices_[static_cast<size_t>(index)];
  AnswerEvent event;
  event.choice = static_cast<int>(index);
  if (choice.ended) return event;
  take_text(entry, choice, event);
  event.logprobs = read_logprobs(member(&entry, "logprobs"));
  const auto reported = count_member(usage, "completion_tokens");
  if (reported && alone) {
    choice.reported = std::max(choice.reported, *reported);
    event.tokens = std::max<int64_t>(0, choice.reported - choice.tokens);
  } else if (choice.reported < 0) {
    event.tokens = count(event);
  }
  choice.tokens += event.tokens;
  const std::string reason = text_member(&entry, "finish_reason");
  if (!reason.empty()) end(choice, reason_of(reason), event);
  return event;
}

// A chunk has "delta", a whole chat answer "message", a completion "text".
void AnswerReader::take_text(const Json& entry, Choice& choice, AnswerEvent& event) {
  const Json* part = member(&entry, "delta");
  if (!part) part = member(&entry, "message");
  const std::string text = part ? text_member(part, "content") : text_member(&entry, "text");
  if (choice.parser) {
    text::ToolCallPiece piece = choice.parser->push(text);
    event.text = std::move(piece.content);
    event.calls = std::move(piece.calls);
  } else {
    event.text = text;
  }
  event.reasoning = text_member(part, "reasoning_content");
  if (event.reasoning.empty()) event.reasoning = text_member(part, "reasoning");  // newer vLLM
  take_calls(member(part, "tool_calls"), choice, event);
}

/// Our index of a call: by the server's, or where it has none, a new one for each name.
int AnswerReader::call_index(const Json& call, Choice& choice) {
  const bool begins = !text_member(member(&call, "function"), "name").empty();
  const auto count = static_cast<int64_t>(choice.calls.size());
  const int64_t theirs = count_member(&call, "index").value_or(begins ? count : count - 1);
  const auto [place, fresh] = choice.calls.try_emplace(theirs, static_cast<int>(count));
  if (fresh) choice.named.push_back(false);
  return place->second;
}

void AnswerReader::take_calls(const Json* list, Choice& choice, AnswerEvent& event) {
  if (!list || !list->is_array()) return;
  for (const Json& call : *list) {
    const Json* function = member(&call, "function");
    if (choice.calls.size() >= kMaxTools) fail(ErrorKind::kBadInput, "more calls than tools");
    text::ToolCallDelta delta;
    delta.index = call_index(call, choice);
    // Some repeat the name in every chunk.
    if (!choice.named[delta.index]) delta.name = text_member(function, "name");
    if (!delta.name.empty()) choice.named[delta.index] = true;
    const Json* arguments = member(function, "arguments");
    if (arguments) {
      delta.arguments =
          arguments->is_string() ? arguments->get<std::string>() : dump_json(*arguments);
    }
    if (choice.named[delta.index]) event.calls.push_back(std::move(delta));
  }
}

int64_t AnswerReader::count(const AnswerEvent& event) const {
  if (!event.logprobs.empty()) return std::ssize(event.logprobs);
  std::string said = event.reasoning + event.text;
  for (const text::ToolCallDelta& call : event.calls) said += call.name + call.arguments;
  return said.empty() ? 0 : std::max<int64_t>(1, options_.estimate(said));
}

void AnswerReader::end(Choice& choice, const std::string& reason, AnswerEvent& event) {
  choice.ended = true;
  bool called = std::ranges::find(choice.named, true) != choice.named.end();
  if (choice.parser) {
    text::ToolCallPiece rest = choice.parser->finish();
    event.text += rest.content;
    for (text::ToolCallDelta& call : rest.calls) event.calls.push_back(std::move(call));
    called = called || choice.parser->calls() > 0;
  }
  // vLLM says "stop" after a call that was asked for by name, others "tool_calls" without any.
  const bool natural = reason == "stop" || reason == "tool_calls";
  event.finish_reason = natural ? (called ? "tool_calls" : "stop") : reason;
}

bool AnswerReader::complete() const {
  return std::ranges::all_of(choices_, [](const Choice& choice) { return choice.ended; });
}

std::vector<AnswerEvent> AnswerReader::finish(const std::string& reason) {
  std::vector<AnswerEvent> events;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (choices_[i].ended) continue;
    AnswerEvent event;
    event.choice = static_cast<int>(i);
    end(choices_[i], reason.empty() ? "stop" : reason, event);
    events.push_back(std::move(event));
  }
  return events;
}

AnswerResult AnswerReader::result() const {
  AnswerResult result;
  const PromptUse prompt = prompt_.value_or(PromptUse{0, options_.prompt_estimate});
  result.prompt_hit = prompt.hit;
  result.prompt_miss = prompt.miss;
  for (const Choice& choice : choices_) {
    result.completion += std::max(choice.tokens, choice.reported);
  }
  if (completion_) result.completion = *completion_;
  return result;
}

}  // namespace fathom::api
