#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/value.h"
#include "text/tool_calls.h"

namespace fathom::text {
namespace {

using OrderedJson = nlohmann::ordered_json;

// The function of one entry, checked.
const OrderedJson& function_of(const OrderedJson& tool, size_t i) {
  if (!tool.is_object())
    fail(ErrorKind::kBadInput, "tools[{}] is {}, expected an object", i, tool.type_name());
  const auto type = tool.find("type");
  if (type == tool.end() || *type != "function") {
    fail(ErrorKind::kBadInput, "tools[{}].type is {}, expected \"function\"", i,
         type == tool.end() ? "missing" : type->dump());
  }
  const auto function = tool.find("function");
  if (function == tool.end() || !function->is_object()) {
    fail(ErrorKind::kBadInput, "tools[{}].function is {}, expected an object", i,
         function == tool.end() ? "missing" : function->type_name());
  }
  const auto name = function->find("name");
  if (name == function->end() || !name->is_string() ||
      name->get_ref<const std::string&>().empty()) {
    fail(ErrorKind::kBadInput, "tools[{}].function.name is {}, expected a name", i,
         name == function->end() ? "missing" : name->dump());
  }
  return *function;
}

}  // namespace

std::string render_tools_prompt(const OrderedJson& tools) {
  if (!tools.is_array())
    fail(ErrorKind::kBadInput, "tools is {}, expected a list", tools.type_name());
  if (tools.empty()) return {};
  std::string prompt =
      "## Tools\n\n"
      "You can call the functions below. To call one, or several at once, write exactly this form, "
      "with arguments that are valid JSON and follow the function's parameters:\n\n"
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>FUNCTION_NAME\n"
      "```json\n"
      "{\"PARAMETER\": \"VALUE\"}\n"
      "```<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n\n"
      "### Functions\n";
  for (size_t i = 0; i < tools.size(); ++i) {
    const OrderedJson& function = function_of(tools[i], i);
    prompt += fmt::format("\n```json\n{}\n```\n", jinja::Value::from_json(function).to_json());
  }
  prompt.pop_back();
  return prompt;
}

}  // namespace fathom::text
