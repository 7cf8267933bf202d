// JSON Schema to grammar.
#pragma once

#include <string>
#include <string_view>

#include "engine/grammar/program.h"

namespace fathom::engine {

/// Adds the schema's nodes to the program and returns the one of its values. docs/json-schema.md
/// says which keywords there are. Throws Error; `where` begins the message, then comes the place in
/// the schema as a JSON pointer.
NodeId compile_schema(std::string_view text, const std::string& where, Program& program);

}  // namespace fathom::engine
