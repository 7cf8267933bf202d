// The HTML report of a run: one self-contained page with inline plots.
#pragma once

#include <string>

namespace fathom::train {

/// Reads a run's log.jsonl and replaces `html`: loss and MTP loss (with validation), learning rate,
/// gradient norm, MaxVio per layer, a heat map of the experts' load, tokens per second.
void write_report(const std::string& log, const std::string& html);

}  // namespace fathom::train
