// fathom eval perplexity: bits per byte and perplexities of any text.
#pragma once

namespace CLI {
class App;
}

namespace fathom::cli {

void add_eval_perplexity(CLI::App& eval);

}  // namespace fathom::cli
