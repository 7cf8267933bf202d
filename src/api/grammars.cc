#include "api/grammars.h"

#include <algorithm>

#include "api/api_error.h"
#include "text/tool_calls.h"

namespace fathom::api {
namespace {

constexpr size_t kMostKept = 64;
// Of schemas and tools together: a grammar takes some twenty times its text.
constexpr size_t kMostText = 4 << 20;

std::optional<ToolCallSyntax> find_syntax(const text::Tokenizer& tokenizer) {
  const auto calls_begin = tokenizer.token_to_id(text::kCallsBegin);
  const auto call_begin = tokenizer.token_to_id(text::kCallBegin);
  const auto separator = tokenizer.token_to_id(text::kCallSeparator);
  const auto call_end = tokenizer.token_to_id(text::kCallEnd);
  const auto calls_end = tokenizer.token_to_id(text::kCallsEnd);
  if (!calls_begin || !call_begin || !separator || !call_end || !calls_end) return std::nullopt;
  return ToolCallSyntax{.calls_begin = *calls_begin,
                        .call_begin = *call_begin,
                        .separator = *separator,
                        .call_end = *call_end,
                        .calls_end = *calls_end,
                        .parallel = true};
}

}  // namespace

Grammars::Grammars(const text::Tokenizer& tokenizer, int64_t vocab_size,
                   const std::vector<int32_t>& end_ids)
    : syntax_(find_syntax(tokenizer)) {
  std::vector<std::string> bytes(static_cast<size_t>(vocab_size));
  const auto known = std::min<int64_t>(vocab_size, tokenizer.vocab_size());
  for (int32_t id = 0; id < known; ++id) {
    if (!tokenizer.is_added(id)) bytes[id] = tokenizer.token_bytes(id);
  }
  try {
    vocabulary_ = std::make_shared<const Vocabulary>(bytes, end_ids);
  } catch (const Error& error) {
    problem_ = error.what();
  }
}

std::shared_ptr<const Vocabulary> Grammars::vocabulary() const {
  if (!vocabulary_) throw invalid_request("This model cannot be kept to a format: " + problem_);
  return vocabulary_;
}

template <typename Make>
Grammar::Ptr Grammars::kept(const std::string& key, Make make) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(grammars_.begin(), grammars_.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    if (found != grammars_.end()) {
      grammars_.splice(grammars_.begin(), grammars_, found);
      return found->second;
    }
  }
  Grammar::Ptr made = make();
  const std::lock_guard lock(mutex_);
  grammars_.emplace_front(key, made);
  text_ += key.size();
  while (grammars_.size() > kMostKept || text_ > kMostText) {
    text_ -= grammars_.back().first.size();
    grammars_.pop_back();
  }
  return made;
}

Grammar::Ptr Grammars::of(const ChatRequest& request) {
  const bool must_call =
      request.tool_choice == ToolChoice::kRequired || request.tool_choice == ToolChoice::kNamed;
  if (must_call && request.continues) {
    throw invalid_request("Invalid tool_choice value, a prefix goes with text only");
  }
  if (!must_call && request.format != ResponseFormat::kText) {
    if (request.continues) {
      throw invalid_request("Invalid response_format value, a prefix goes with text only");
    }
    if (request.format == ResponseFormat::kJsonObject) {
      return kept("object", [&] { return Grammar::json_object(vocabulary()); });
    }
    const std::string schema = dump_json(request.schema);
    try {
      return kept("schema " + schema, [&] { return Grammar::json_schema(schema, vocabulary()); });
    } catch (const ApiError&) {
      throw;
    } catch (const Error& error) {
      throw invalid_request(std::string("Invalid schema for response_format: ") + error.what());
    }
  }
  if (request.tool_choice == ToolChoice::kNone || request.continues) return nullptr;
  // Without a tokenizer for it the model may still call in its own words.
  if (!must_call && (!syntax_ || !vocabulary_)) return nullptr;
  return tools(request);
}

// A schema that goes beyond what the grammar knows is no reason to refuse a tool, unless the client
// insists: the arguments are then any object.
FunctionGrammar Grammars::function(const Json& tool, size_t index) {
  const Json& described = tool["function"];
  FunctionGrammar out{.name = described["name"], .parameters = {}};
  const auto parameters = described.find("parameters");
  if (parameters == described.end() || parameters->is_null() || parameters->empty()) return out;
  out.parameters = dump_json(*parameters);
  try {
    kept("schema " + out.parameters,
         [&] { return Grammar::json_schema(out.parameters, vocabulary()); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUnsupported || described.value("strict", Json()) == true) {
      throw invalid_request("Invalid schema for tools[" + std::to_string(index) +
                            "]: " + error.what());
    }
    out.parameters.clear();
  }
  return out;
}

Grammar::Ptr Grammars::tools(const ChatRequest& request) {
  if (!syntax_) throw invalid_request("This model's tokenizer has no tokens for function calls");
  const bool required = request.tool_choice != ToolChoice::kAuto;
  ToolCallSyntax syntax = *syntax_;
  syntax.parallel = request.parallel_calls && request.tool_choice != ToolChoice::kNamed;
  const std::string key = std::string("tools ") + (required ? "r" : "a") +
                          (syntax.parallel ? "p " : "s ") + request.tool_name + " " +
                          dump_json(request.tools);
  return kept(key, [&] {
    std::vector<FunctionGrammar> functions;
    for (size_t i = 0; i < request.tools.size(); ++i) {
      const bool wanted = request.tool_choice != ToolChoice::kNamed ||
                          request.tools[i]["function"]["name"] == request.tool_name;
      if (wanted) functions.push_back(function(request.tools[i], i));
    }
    return Grammar::tool_calls(functions, syntax, required, vocabulary());
  });
}

}  // namespace fathom::api
