// Operators on values, with Python's meaning. Throw std::domain_error where Python throws
// TypeError.
#pragma once

#include <string_view>

#include "text/jinja/value.h"

namespace fathom::text::jinja {

/// + - * / // % ** and ~.
Value apply_operator(std::string_view op, const Value& left, const Value& right);
/// == != < <= > >= in, not in.
bool compare(std::string_view op, const Value& left, const Value& right);
/// Whether `item` is in a list, a key of a mapping or a part of a string.
bool contains(const Value& container, const Value& item);
/// object.name as a field; undefined where there is none.
Value field_of(const Value& object, std::string_view name);
/// object[key].
Value element_of(const Value& object, const Value& key);
/// object[start:stop:step]; undefined for a part left out.
Value slice_of(const Value& object, const Value& start, const Value& stop, const Value& step);
/// What a loop goes over: items of a list, keys of a mapping, characters of a string.
List items_of(const Value& value);
/// The bytes that making a copy of the value's text or list takes: what a step costs.
size_t cost_of(const Value& value);

}  // namespace fathom::text::jinja
