// fathom data: text and conversations to token bins, and the generator's lessons.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "io/file_system.h"
#include "train/data/corpus.h"
#include "train/data/generator.h"

namespace fathom::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> inputs;
  std::string tokenizer;
  std::string out;
  std::string suite;
  std::vector<std::string> tasks;
  std::string split = "all";
  int64_t count = 200;
  int64_t sequence = 0;
  int64_t vocab = 0;
  double fim = 0;
  uint64_t seed = 1;
};

/// An item without its reply (docs/formats/capabilities.md).
Json item(const train::Lesson& lesson) {
  Json line = {{"task", lesson.task}, {"messages", lesson.messages}};
  if (!lesson.tools.is_null()) line["tools"] = lesson.tools;
  line["check"] = train::check_name(lesson.check);
  line["answer"] = lesson.answer;
  return line;
}

/// A conversation to learn from.
Json conversation(const train::Lesson& lesson) {
  Json line = {{"task", lesson.task}, {"messages", lesson.messages}};
  line["messages"].push_back({{"role", "assistant"}, {"content", lesson.reply}});
  if (!lesson.tools.is_null()) line["tools"] = lesson.tools;
  return line;
}

void write_suite(const Options& options) {
  const bool held_out = options.split == "heldout";
  train::Generator generator(options.seed);
  std::string lines;
  const auto add = [&](const Json& line) { lines += line.dump() + "\n"; };
  if (options.suite == "lessons") {
    const size_t tasks = options.tasks.size();
    for (size_t i = 0; i < static_cast<size_t>(options.count); ++i) {
      add(conversation(tasks == 0 ? generator.next(held_out)
                                  : generator.next(options.tasks[i % tasks], held_out)));
    }
  } else {
    for (const char* task : train::capability_tasks()) {
      for (int64_t i = 0; i < options.count; ++i) add(item(generator.next(task, held_out)));
    }
  }
  io::write_file_atomically(io::system_files(), options.out, lines);
}

void write_bin(const Options& options) {
  const auto tokenizer = text::Tokenizer::load(options.tokenizer);
  train::DocumentEncoder encoder(tokenizer, options.fim, options.seed);
  std::vector<train::Encoded> documents;
  int64_t tokens = 0, learnt = 0;
  for (const std::string& path : options.inputs) {
    train::for_each_document(path, [&](const train::Document& document) {
      if (options.split != "all") {
        const std::string key =
            document.messages.is_null() ? document.text : document.messages.dump();
        if (train::held_out(key) != (options.split == "heldout")) return;
      }
      documents.push_back(encoder.encode(document));
      tokens += static_cast<int64_t>(documents.back().ids.size());
      for (const uint8_t m : documents.back().mask) learnt += m;
    });
  }
  const size_t count = documents.size();
  const int64_t vocab = options.vocab > 0 ? options.vocab : tokenizer->vocab_size();
  train::TokenBinWriter writer(options.out, static_cast<uint32_t>(vocab), true);
  train::pack_documents(std::move(documents), options.sequence, encoder.pad_id(), options.seed,
                        writer);
  writer.finish();
  std::fprintf(stderr, "%zu documents, %lld tokens (%lld to be predicted), %lld with padding\n",
               count, static_cast<long long>(tokens), static_cast<long long>(learnt),
               static_cast<long long>(writer.size()));
}

void run(const Options& options) {
  if (!options.suite.empty()) {
    if (!options.inputs.empty()) {
      fail(ErrorKind::kUsage, "--suite makes its own items: INPUT {} has no use",
           options.inputs[0]);
    }
    if (options.split == "all") fail(ErrorKind::kUsage, "--suite needs --split train or heldout");
    return write_suite(options);
  }
  if (options.inputs.empty()) fail(ErrorKind::kUsage, "expected INPUT files or --suite");
  if (options.tokenizer.empty()) fail(ErrorKind::kUsage, "INPUT files need --tokenizer");
  if (!options.out.ends_with(".bin")) {
    fail(ErrorKind::kUsage, "--out is {}, expected a name that ends in .bin", options.out);
  }
  write_bin(options);
}

}  // namespace

void add_data(CLI::App& app) {
  auto* command = app.add_subcommand("data", "Turn text into token bins, or generate lessons");
  const auto options = std::make_shared<Options>();
  command->add_option("INPUT", options->inputs,
                      "Text, or .jsonl with a {\"text\"} or {\"messages\"} a line");
  command->add_option("--out", options->out, "A .bin of tokens, or with --suite a .jsonl")
      ->required();
  command->add_option("--tokenizer", options->tokenizer, "Directory with tokenizer.json");
  command->add_option("--vocab", options->vocab,
                      "Vocabulary of the model (default: the tokenizer's)");
  command
      ->add_option("--sequence", options->sequence,
                   "Keep documents within windows of so many tokens")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--fim", options->fim, "Share of texts in fill-in-the-middle form")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--suite", options->suite,
                   "Generate: lessons (conversations in the training mix) or capabilities (items "
                   "to evaluate, --count of each task)")
      ->check(CLI::IsMember({"lessons", "capabilities"}));
  command->add_option(
      "--task", options->tasks,
      "Lessons of these tasks alone, in turns; drill and numbers: long lists to repeat");
  command->add_option("--count", options->count, "Lessons, or items of each task")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--split", options->split, "Documents: all, train or heldout")
      ->capture_default_str()
      ->check(CLI::IsMember({"all", "train", "heldout"}));
  command->add_option("--seed", options->seed, "Of the generator, or of the shuffling")
      ->capture_default_str();
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli
