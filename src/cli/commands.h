// Each subcommand adds itself to the program: its flags, and a callback that does the work and
// throws fathom::Error. One file per subcommand, cmd_NAME.cc.
#pragma once

namespace CLI {
class App;
}

namespace fathom::cli {

// In the order of `fathom --help`. A new command is a line here and one in main.cc.
void add_chat(CLI::App& app);
void add_serve(CLI::App& app);
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_render(CLI::App& app);
void add_logits(CLI::App& app);
void add_convert(CLI::App& app);
void add_train(CLI::App& app);
void add_eval(CLI::App& app);
void add_bench(CLI::App& app);
void add_train_tokenizer(CLI::App& app);
void add_data(CLI::App& app);
void add_synth(CLI::App& app);
void add_keys(CLI::App& app);
void add_account(CLI::App& app);

}  // namespace fathom::cli
