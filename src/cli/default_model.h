// The model that a command uses when it is given none.
#pragma once

#include <string>

namespace fathom::cli {

/// The directory of the embedded model: $FATHOM_MODEL, else models/fathom-10m beside the program's
/// installation or source tree. Where there is none, a small stand-in of random weights with a
/// byte-level tokenizer, made in the user's cache the first time; a line on stderr says so.
std::string default_model_dir();

}  // namespace fathom::cli
