// Commands that answer a line of JSON on stdin with a line of JSON on stdout.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace fathom::cli {

/// All of stdin.
std::string read_stdin();

/// Throws Error(kIo) unless all of `text`, and what was printed before, reaches stdout.
void write_stdout(std::string_view text);

/// Calls answer(object) for each line of stdin and writes what it returns as one line, flushed at
/// once so that another program can wait for it. Lines end in LF alone; blank ones are passed over.
/// Errors name the line.
void answer_json_lines(
    const std::function<nlohmann::ordered_json(const nlohmann::ordered_json&)>& answer);

/// The string in `object[name]`. Throws Error(kBadInput).
std::string string_field(const nlohmann::ordered_json& object, const char* name);
/// The truth value in `object[name]`, or `otherwise` where there is none.
bool flag_field(const nlohmann::ordered_json& object, const char* name, bool otherwise);

}  // namespace fathom::cli
