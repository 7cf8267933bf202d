// The model that a command uses when it is given none.
#pragma once

#include <string>

namespace fathom::cli {

/// The directory of the embedded model: $FATHOM_MODEL, else models/fathom-10m beside the program's
/// installation or source tree. Throws Error(kNotFound) where there is none.
std::string default_model_dir();

}  // namespace fathom::cli
