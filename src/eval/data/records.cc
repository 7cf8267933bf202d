#include "eval/data/records.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "eval/data/csv.h"
#include "eval/python_text.h"
#include "io/file_system.h"
#include "text/utf8.h"

namespace fathom::eval {
namespace {

std::string file_stem(const std::string& path) {
  const std::string name = path.substr(path.find_last_of('/') + 1);
  return name.substr(0, name.find_last_of('.'));
}

std::string extension(const std::string& path) {
  const size_t dot = path.find_last_of('.');
  return dot == std::string::npos ? "" : path.substr(dot + 1);
}

std::vector<std::string> data_files(const std::string& path) {
  if (!io::directory_exists(path)) return {path};
  std::vector<std::string> files;
  for (const std::string& name : io::list_files(path)) {
    const std::string kind = extension(name);
    if (kind == "csv" || kind == "json" || kind == "jsonl") files.push_back(io::join(path, name));
  }
  if (files.empty()) {
    fail(ErrorKind::kNotFound, "{}: no .csv, .json or .jsonl file in this folder", path);
  }
  return files;
}

class Reader {
 public:
  Reader(const std::string& path, const DataForm& form)
      : path_(path), source_(file_stem(path)), form_(form), text_(io::read_file(path)) {
    text::require_utf8(text_, path_);
  }

  std::vector<Record> records() {
    const std::string kind = extension(path_);
    if (kind == "csv") {
      read_csv();
    } else if (kind == "jsonl") {
      read_lines();
    } else if (kind == "json") {
      read_document();
    } else {
      fail(ErrorKind::kUnsupported, "{}: a .{} file; expected .jsonl, .json or .csv with {}", path_,
           kind, form_.expected);
    }
    if (records_.empty()) {
      fail(ErrorKind::kBadInput, "{}: no rows; expected {}", path_, form_.expected);
    }
    return std::move(records_);
  }

 private:
  void add(Json fields, std::string where) {
    if (!fields.is_object()) {
      fail(ErrorKind::kBadInput, "{}: {}, expected an object with {}", where, fields.type_name(),
           form_.expected);
    }
    records_.emplace_back(std::move(fields), std::move(where), source_, form_.expected);
  }

  std::string at_line(size_t line) const { return fmt::format("{}, line {}", path_, line); }

  Json parsed(std::string_view text, const std::string& where) const {
    try {
      return Json::parse(text);
    } catch (const Json::exception& error) {
      fail(ErrorKind::kBadInput, "{}: not JSON ({}); expected an object with {}", where,
           error.what(), form_.expected);
    }
  }

  void read_lines() {
    const auto lines = python::split(text_, "\n");
    for (size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].find_first_not_of(" \t\r") == std::string::npos) continue;
      add(parsed(lines[i], at_line(i + 1)), at_line(i + 1));
    }
  }

  void read_document() {
    Json document = parsed(text_, path_);
    if (document.is_array()) {
      for (size_t i = 0; i < document.size(); ++i) {
        add(std::move(document[i]), fmt::format("{}, entry {}", path_, i + 1));
      }
    } else if (document.is_object()) {
      for (auto& [key, value] : document.items()) {
        const std::string where = fmt::format("{}, \"{}\"", path_, key);
        if (value.is_object()) value["_key"] = key;
        add(std::move(value), where);
      }
    } else {
      fail(ErrorKind::kBadInput, "{}: {}, expected a list of objects with {}", path_,
           document.type_name(), form_.expected);
    }
  }

  void read_csv() {
    std::vector<CsvRow> rows = parse_csv(text_, path_);
    if (rows.empty()) return;
    std::vector<std::string> header = rows[0].cells;
    const bool headerless = !form_.headerless.empty() && header.size() == form_.headerless.size() &&
                            header[0] != form_.headerless[0];
    if (headerless) header = form_.headerless;
    for (size_t i = headerless ? 0 : 1; i < rows.size(); ++i) {
      if (rows[i].cells.size() != header.size()) {
        fail(ErrorKind::kBadInput, "{}: {} cells, expected {} ({})", at_line(rows[i].line),
             rows[i].cells.size(), header.size(), form_.expected);
      }
      Json fields = Json::object();
      for (size_t c = 0; c < header.size(); ++c) fields[header[c]] = std::move(rows[i].cells[c]);
      add(std::move(fields), at_line(rows[i].line));
    }
  }

  const std::string path_, source_;
  const DataForm& form_;
  const std::string text_;
  std::vector<Record> records_;
};

}  // namespace

Record::Record(Json fields, std::string where, std::string source, std::string expected)
    : fields_(std::move(fields)),
      where_(std::move(where)),
      source_(std::move(source)),
      expected_(std::move(expected)) {}

void Record::refuse(const std::string& complaint) const {
  fail(ErrorKind::kBadInput, "{}: {}; this task reads {}", where_, complaint, expected_);
}

bool Record::has(const char* name) const {
  const auto found = fields_.find(name);
  return found != fields_.end() && !found->is_null();
}

const Json& Record::value(const char* name) const {
  const auto found = fields_.find(name);
  if (found == fields_.end()) refuse(fmt::format("no field \"{}\"", name));
  return *found;
}

std::string Record::text(const char* name) const {
  const Json& found = value(name);
  if (found.is_string()) return found.get<std::string>();
  if (found.is_number() || found.is_boolean()) return found.dump();
  refuse(fmt::format("\"{}\" is {}, expected text", name, found.type_name()));
}

std::string Record::text_or(const char* name, const std::string& otherwise) const {
  return has(name) ? text(name) : otherwise;
}

std::vector<std::string> Record::list(const char* name) const {
  Json found = value(name);
  if (found.is_string()) found = Json::parse(found.get<std::string>(), nullptr, false);
  if (!found.is_array()) refuse(fmt::format("\"{}\" is no list", name));
  std::vector<std::string> out;
  for (const Json& entry : found) {
    if (!entry.is_string()) refuse(fmt::format("\"{}\" holds {}", name, entry.type_name()));
    out.push_back(entry.get<std::string>());
  }
  return out;
}

std::vector<Record> read_records(const std::string& path, const DataForm& form) {
  std::vector<Record> all;
  for (const std::string& file : data_files(path)) {
    for (Record& record : Reader(file, form).records()) all.push_back(std::move(record));
  }
  return all;
}

std::string data_digest(const std::string& path) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (const std::string& file : data_files(path)) {
    const std::string content = io::read_file(file);
    EVP_DigestUpdate(context.get(), content.data(), content.size());
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), digest, &size);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace fathom::eval
