// fathom logits: what the model computes for given ids, as the golden files name it.
#include <fstream>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/safetensors_writer.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "io/file_system.h"
#include "model/capture.h"

namespace fathom::cli {
namespace {

struct Prompt {
  std::string id;
  std::vector<int32_t> tokens;
};

struct PromptFile {
  std::vector<Prompt> prompts;
  std::string capture;  // id of the prompt to look into
};

PromptFile read_prompts(const std::string& path) {
  try {
    const auto json = nlohmann::json::parse(io::read_file(path));
    PromptFile file;
    for (const auto& entry : json.at("prompts")) {
      file.prompts.push_back({entry.at("id"), entry.at("tokens")});
      if (file.prompts.back().tokens.empty()) {
        fail(ErrorKind::kBadInput, "{}: prompt {} has no tokens", path, file.prompts.back().id);
      }
    }
    if (file.prompts.empty()) fail(ErrorKind::kBadInput, "{}: no prompts", path);
    file.capture = json.value("capture_prompt", file.prompts.front().id);
    return file;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kBadInput,
         "{}: expected {{\"prompts\": [{{\"id\": \"...\", \"tokens\": [...]}}]}}: {}", path,
         error.what());
  }
}

struct Options {
  ModelOptions model;
  std::string prompts;
  std::string out;
  bool capture = false;
};

void run(const Options& options) {
  const PromptFile file = read_prompts(options.prompts);
  size_t longest = 0;
  for (const Prompt& prompt : file.prompts) longest = std::max(longest, prompt.tokens.size());
  const auto model = open_model(options.model, static_cast<int64_t>(longest));

  std::vector<NamedArray> arrays;
  for (const Prompt& prompt : file.prompts) {
    arrays.push_back(prompt_logits(*model, prompt.tokens, "logits." + prompt.id));
    if (!options.capture || prompt.id != file.capture) continue;
    for (NamedArray& array : capture(*model, prompt.tokens)) arrays.push_back(std::move(array));
  }
  std::vector<NamedTensor> tensors;
  for (const NamedArray& array : arrays) {
    tensors.push_back({{array.name, array.dtype, array.shape}, array.data});
  }
  write_safetensors(options.out, tensors);
}

}  // namespace

void add_logits(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("logits", "Logits of given token ids, to a safetensors file");
  options->model.numerics = "exact";
  add_model_options(*command, options->model);
  command
      ->add_option("--prompts", options->prompts,
                   "JSON: {\"prompts\": [{\"id\", \"tokens\"}], \"capture_prompt\"}")
      ->required();
  command->add_option("--out", options->out, "The file to write")->required();
  command->add_flag("--capture", options->capture,
                    "Also hidden states, routing and MTP tensors of the capture prompt");
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli
