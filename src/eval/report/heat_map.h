// A grid of scores as a picture: the needle test's figure.
#pragma once

#include <string>

#include "eval/data/records.h"

namespace fathom::eval {

/// SVG of `map`: {"x", "y": axis names, "columns", "rows": labels, "cells": [rows][columns] of a
/// score from 0 to 1 or null for no answer}.
std::string heat_map_svg(const Json& map);

}  // namespace fathom::eval
