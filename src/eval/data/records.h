// A benchmark's data file as rows of named fields, whatever its format.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace fathom::eval {

using Json = nlohmann::ordered_json;

/// One row. Every getter throws Error(kBadInput) that names the file, the line and the field, what
/// was found and what the task reads.
class Record {
 public:
  Record(Json fields, std::string where, std::string source, std::string expected);

  const Json& fields() const { return fields_; }
  /// "PATH, line 3"
  const std::string& where() const { return where_; }
  /// The file's name without folder and extension.
  const std::string& source() const { return source_; }

  bool has(const char* name) const;
  /// A string, or a number or truth value as text.
  std::string text(const char* name) const;
  std::string text_or(const char* name, const std::string& otherwise) const;
  /// A list of strings; in a CSV, a cell that holds such a list as JSON.
  std::vector<std::string> list(const char* name) const;
  const Json& value(const char* name) const;

  /// Throws Error(kBadInput): "PATH, line 3: COMPLAINT; this task reads ...".
  [[noreturn]] void refuse(const std::string& complaint) const;

 private:
  Json fields_;
  std::string where_, source_, expected_;
};

/// How a task's files look, for the reader and for its complaints.
struct DataForm {
  std::string expected;                 ///< fields as a sentence names them: "Question, A, B, C, D"
  std::vector<std::string> headerless;  ///< columns of a CSV without a header, where there is such
};

/// The rows of one file, or of every .csv, .json and .jsonl file of a folder in order of name: JSON
/// lines (split on LF alone), a JSON list of objects, a JSON object of objects (the key becomes the
/// field "_key"), or CSV. Throws Error(kNotFound | kBadInput | kUnsupported).
std::vector<Record> read_records(const std::string& path, const DataForm& form);

/// SHA-256 over the bytes of the file, or of the folder's files in order of name, in hex.
std::string data_digest(const std::string& path);

}  // namespace fathom::eval
