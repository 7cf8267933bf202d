// The filters, tests, functions and methods that templates may use.
#pragma once

#include <string_view>

#include "text/jinja/context.h"
#include "text/jinja/value.h"

namespace fathom::text::jinja {

bool filter_is_known(std::string_view name);
bool test_is_known(std::string_view name);
bool function_is_known(std::string_view name);

// All throw std::domain_error or Error for arguments that they don't take; the names are known.
Value apply_filter(Context& context, std::string_view name, const Value& input,
                   const Arguments& arguments);
bool apply_test(std::string_view name, const Value& input, const Arguments& arguments);
Value call_function(Context& context, std::string_view name, const Arguments& arguments);
/// Throws std::invalid_argument for a method that is not known.
Value call_method(const Value& object, std::string_view name, const Arguments& arguments);

/// Argument number `index`, or called `name`; undefined where it was left out.
Value argument(const Arguments& arguments, size_t index, std::string_view name);
/// Throws unless every argument is one of the first `count` positional or has one of the names.
void expect_arguments(const Arguments& arguments, size_t count,
                      std::initializer_list<std::string_view> names);

}  // namespace fathom::text::jinja
