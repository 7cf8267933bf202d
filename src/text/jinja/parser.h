// A template's source -> its statements.
#pragma once

#include <string_view>

#include "text/jinja/nodes.h"

namespace fathom::text::jinja {

/// Throws Error(kUnsupported) that names the line and the tag, filter, test or form that is not
/// known here, Error(kBadInput) for what is no template.
Block parse_template(std::string_view source);

}  // namespace fathom::text::jinja
