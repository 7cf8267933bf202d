#include "api/upstream/dialect.h"

#include "base/error.h"

namespace fathom::api {
namespace {

// vLLM takes its sampling defaults from the checkpoint's generation_config.json, LMDeploy has 40 as
// its own top_k. TensorRT-LLM refuses every field that it does not know, so it gets no more than
// OpenAI's and its own stream option.
constexpr Dialect kDialects[] = {
    {.name = "openai", .owner = "openai", .suffix = true},
    {.name = "deepseek",
     .owner = "deepseek",
     .continuation = Continuation::kPrefixField,
     .suffix = true,
     .beta = true},
    {.name = "vllm",
     .owner = "vllm",
     .continuation = Continuation::kFinalMessage,
     .running_usage = true,
     .all_top_k = -1},
    {.name = "sglang",
     .owner = "sglang",
     .continuation = Continuation::kFinalMessage,
     .running_usage = true,
     .all_top_k = -1},
    {.name = "lmdeploy",
     .owner = "lmdeploy",
     .continuation = Continuation::kAssistantLast,
     .all_top_k = 0},
    {.name = "tensorrt-llm", .owner = "tensorrt_llm", .running_usage = true},
    {.name = "mindie", .owner = "MindIE"},
};

}  // namespace

const Dialect& dialect_named(std::string_view name) {
  for (const Dialect& dialect : kDialects) {
    if (dialect.name == name) return dialect;
  }
  fail(ErrorKind::kUsage, "--upstream-kind {}: expected one of {}", name, dialect_names());
}

const Dialect& dialect_of_owner(std::string_view owner) {
  for (const Dialect& dialect : kDialects) {
    if (owner.starts_with(dialect.owner)) return dialect;
  }
  return kDialects[0];
}

std::string dialect_names() {
  std::string names;
  for (const Dialect& dialect : kDialects) {
    if (!names.empty()) names += ", ";
    names += dialect.name;
  }
  return names;
}

}  // namespace fathom::api
