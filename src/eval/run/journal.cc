#include "eval/run/journal.h"

#include <fmt/format.h>

#include "base/error.h"

namespace fathom::eval {
namespace {

constexpr const char* kFormat = "fathom-eval-journal";
constexpr int kVersion = 1;

void require_same(const std::string& path, const Json& kept, const Json& ours) {
  if (!kept.is_object() || kept.value("format", "") != kFormat) {
    fail(ErrorKind::kBadInput, "{}: its first line is no {} header", path, kFormat);
  }
  for (const auto& [name, value] : ours.items()) {
    const auto found = kept.find(name);
    if (found == kept.end() || *found != value) {
      fail(
          ErrorKind::kConflict,
          "{}: holds answers of another run: \"{}\" is {} there and {} now; name another --out, or "
          "remove the folder",
          path, name, found == kept.end() ? "missing" : found->dump(), value.dump());
    }
  }
}

}  // namespace

Journal::Journal(io::FileSystem& files, const std::string& path, const Json& header)
    : path_(path), lock_(path + ".lock", "a run of fathom eval") {
  Json full = {{"format", kFormat}, {"version", kVersion}};
  full.update(header);
  const bool existed = io::file_exists(path);
  if (existed) load(full);
  file_ = files.open_append(path);
  if (existed) {
    // What a crash cut off in the middle of a line goes.
    const std::string content = io::read_file(path);
    const size_t whole = content.rfind('\n') + 1;
    if (whole != content.size()) {
      file_->truncate(whole);
      file_ = files.open_append(path);
    }
    if (whole > 0) return;
  }
  append(full);
}

void Journal::load(const Json& header) {
  const std::string content = io::read_file(path_);
  size_t number = 0;
  for (size_t at = 0, end; (end = content.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json line = Json::parse(content.substr(at, end - at), nullptr, false);
    ++number;
    if (number == 1) {
      require_same(path_, line, header);
    } else if (line.is_discarded()) {
      fail(ErrorKind::kBadInput, "{}, line {}: no JSON", path_, number);
    } else if (line.contains("key")) {
      entries_[line["key"].get<std::string>()] = line;
    }
  }
}

void Journal::append(const Json& line) {
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  file_->append(std::as_bytes(std::span(text.data(), text.size())));
}

std::optional<Json> Journal::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

void Journal::keep(const std::string& key, const Json& entry) {
  Json line = {{"key", key}};
  line.update(entry);
  const std::lock_guard lock(mutex_);
  append(line);
  entries_[key] = std::move(line);
}

void Journal::note(const Json& entry) {
  const std::lock_guard lock(mutex_);
  append(entry);
}

void Journal::sync() {
  const std::lock_guard lock(mutex_);
  file_->sync();
}

}  // namespace fathom::eval
