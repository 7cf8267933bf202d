// One line of JSON for each request: who, what, how long, how much; never what was said.
#pragma once

#include <cstdint>
#include <string>

namespace fathom::api {

struct RequestRecord {
  std::string id;
  std::string peer;
  std::string method;
  std::string path;
  int status = 0;
  double seconds = 0;
  std::string key;  ///< its hint; empty where none was given
  std::string error;
  // Of answers.
  int64_t prompt_tokens = -1;  ///< -1: no answer was begun
  int64_t cache_hit_tokens = 0;
  int64_t completion_tokens = 0;
  double first_token_seconds = 0;
  std::string outcome;
  std::string text;  ///< the request's body, only where the operator asked for it
};

/// Writes the record at level info.
void log_request(const RequestRecord& record);

/// Makes every line that spdlog writes to stderr a JSON object.
void log_as_json();

}  // namespace fathom::api
