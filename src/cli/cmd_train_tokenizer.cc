// fathom train-tokenizer: a byte-level BPE vocabulary from text.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "io/file_system.h"
#include "train/data/bpe_trainer.h"
#include "train/data/corpus.h"

namespace fathom::cli {
namespace {

struct Options {
  std::vector<std::string> inputs;
  std::string out;
  int64_t vocab = 4096;
  int64_t context = 4096;
  int64_t limit = 0;
};

void run(const Options& options) {
  train::BpeTrainer trainer(options.vocab);
  for (const std::string& path : options.inputs) {
    int64_t bytes = 0;
    train::for_each_document(path, [&](const train::Document& document) {
      if (options.limit > 0 && bytes >= options.limit) return;
      for (const std::string& text : train::texts_of(document)) {
        trainer.add(text);
        bytes += static_cast<int64_t>(text.size());
      }
    });
  }
  trainer.train();
  io::system_files().create_dirs(options.out);
  const auto write = [&](const char* name, const std::string& text) {
    io::write_file_atomically(io::system_files(), options.out + "/" + name, text);
  };
  write("tokenizer.json", trainer.tokenizer_json());
  write("tokenizer_config.json", trainer.tokenizer_config_json(options.context));
  std::fprintf(stderr, "%lld merges\n", static_cast<long long>(trainer.merges()));
}

}  // namespace

void add_train_tokenizer(CLI::App& app) {
  auto* command = app.add_subcommand("train-tokenizer", "Learn a tokenizer from text");
  const auto options = std::make_shared<Options>();
  command
      ->add_option("INPUT", options->inputs,
                   "Text, or .jsonl with a {\"text\"} or {\"messages\"} a line")
      ->required();
  command->add_option("--out", options->out, "Directory for the tokenizer's files")->required();
  command->add_option("--vocab", options->vocab, "Entries of the vocabulary")
      ->capture_default_str();
  command->add_option("--context", options->context, "Longest text, in tokens")
      ->capture_default_str();
  command->add_option("--limit", options->limit, "Bytes read of each input; 0: all")
      ->check(CLI::NonNegativeNumber);
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli
