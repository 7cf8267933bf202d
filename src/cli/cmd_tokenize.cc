// fathom tokenize: text to ids and back.
#include <fmt/core.h>

#include <charconv>
#include <ctime>
#include <limits>
#include <memory>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/json_lines.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace fathom::cli {
namespace {

using Json = nlohmann::ordered_json;
using TokenizerPtr = std::shared_ptr<const text::Tokenizer>;

struct Options {
  std::string dir;
  bool json_lines = false;
  bool decode = false;
  bool skip_special_tokens = false;
  bool pieces = false;
  bool time = false;
};

std::vector<int32_t> ids_field(const Json& object) {
  const auto found = object.find("ids");
  if (found == object.end()) fail(ErrorKind::kBadInput, "\"ids\" is missing");
  if (!found->is_array()) {
    fail(ErrorKind::kBadInput, "\"ids\" is {}, expected a list of ids", found->type_name());
  }
  std::vector<int32_t> ids;
  for (size_t i = 0; i < found->size(); ++i) {
    const Json& id = (*found)[i];
    if (!id.is_number_integer() || id < 0 || id > std::numeric_limits<int32_t>::max()) {
      fail(ErrorKind::kBadInput, "ids[{}] is {}, expected a whole number from 0 on", i, id.dump());
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

Json decoded(const TokenizerPtr& tokenizer, const Options& options, const Json& object) {
  const std::vector<int32_t> ids = ids_field(object);
  const bool skip = flag_field(object, "skip_special_tokens", options.skip_special_tokens);
  Json answer{{"text", tokenizer->decode(ids, skip)}};
  if (options.pieces) {
    text::Detokenizer stream(tokenizer, skip);
    answer["pieces"] = Json::array();
    for (const int32_t id : ids) answer["pieces"].push_back(stream.push(id));
    answer["tail"] = stream.finish();
  }
  return answer;
}

// Ids apart by white space or commas.
std::vector<int32_t> ids_in(const std::string& input) {
  constexpr const char* kBetween = " \t\r\n,";
  std::vector<int32_t> ids;
  for (size_t at = input.find_first_not_of(kBetween); at != std::string::npos;) {
    const size_t end = std::min(input.find_first_of(kBetween, at), input.size());
    int32_t id = 0;
    const auto read = std::from_chars(input.data() + at, input.data() + end, id);
    if (read.ec != std::errc() || read.ptr != input.data() + end || id < 0) {
      fail(ErrorKind::kBadInput, "stdin: '{}' at offset {} is no token id",
           input.substr(at, std::min<size_t>(end - at, 40)), at);
    }
    ids.push_back(id);
    at = input.find_first_not_of(kBetween, end);
  }
  return ids;
}

void run(const Options& options) {
  const auto tokenizer =
      text::Tokenizer::load(options.dir.empty() ? default_model_dir() : options.dir);
  if (options.json_lines) {
    return answer_json_lines([&](const Json& object) {
      return options.decode ? decoded(tokenizer, options, object)
                            : Json{{"ids", tokenizer->encode(string_field(object, "text"))}};
    });
  }
  const std::string input = read_stdin();
  if (options.decode) {
    return write_stdout(tokenizer->decode(ids_in(input), options.skip_special_tokens));
  }
  const std::clock_t start = std::clock();
  const std::vector<int32_t> ids = tokenizer->encode(input);
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  if (options.time) fmt::print(stderr, "{:.3f} {}\n", seconds, ids.size());
  std::string line;
  for (const int32_t id : ids) {
    if (!line.empty()) line += ' ';
    line += std::to_string(id);
  }
  write_stdout(line + "\n");
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto* command =
      app.add_subcommand("tokenize", "Turn text on stdin into token ids, or ids into text");
  const auto options = std::make_shared<Options>();
  command->add_option("DIR", options->dir,
                      "Directory with tokenizer.json (default: the embedded model)");
  command->add_flag("--jsonl", options->json_lines,
                    "A line {\"text\"} in, a line {\"ids\"} out; with --decode {\"ids\", "
                    "\"skip_special_tokens\"} in, {\"text\"} out");
  command->add_flag("--decode", options->decode, "Ids to text");
  command->add_flag("--skip-special-tokens", options->skip_special_tokens,
                    "Leave special tokens out of the text (with --decode)");
  command->add_flag("--pieces", options->pieces,
                    "Also give the pieces that a stream would emit, one for each id, and the tail "
                    "(with --jsonl --decode)");
  command->add_flag("--time", options->time,
                    "Print the CPU seconds that encoding took, and the number of ids, on stderr");
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli
