#include "cli/json_lines.h"

#include <cstdio>
#include <iostream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_nesting.h"

namespace fathom::cli {

using Json = nlohmann::ordered_json;

namespace {

constexpr size_t kMaxDepth = 100;  // as the API has it

}  // namespace

std::string read_stdin() {
  std::ios::sync_with_stdio(false);
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

void write_stdout(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    fail(ErrorKind::kIo, "stdout: could not be written");
  }
}

void answer_json_lines(const std::function<Json(const Json&)>& answer) {
  std::ios::sync_with_stdio(false);
  size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::string reply;
    try {
      if (json_nesting(line).depth > kMaxDepth) {
        fail(ErrorKind::kBadInput, "nested deeper than {} levels", kMaxDepth);
      }
      const Json object = Json::parse(line);
      if (!object.is_object()) fail(ErrorKind::kBadInput, "expected an object");
      reply = answer(object).dump();
    } catch (const Json::exception& error) {
      fail(ErrorKind::kBadInput, "stdin, line {}: not valid JSON: {}", number, error.what());
    } catch (const Error& error) {
      fail(error.kind(), "stdin, line {}: {}", number, error.what());
    }
    reply += '\n';
    write_stdout(reply);
  }
}

std::string string_field(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) fail(ErrorKind::kBadInput, "\"{}\" is missing", name);
  if (!found->is_string()) {
    fail(ErrorKind::kBadInput, "\"{}\" is {}, expected a string", name, found->type_name());
  }
  return found->get<std::string>();
}

bool flag_field(const Json& object, const char* name, bool otherwise) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return otherwise;
  if (!found->is_boolean()) {
    fail(ErrorKind::kBadInput, "\"{}\" is {}, expected true or false", name, found->type_name());
  }
  return found->get<bool>();
}

}  // namespace fathom::cli
