// Every answer of a run, kept the moment it arrives, so that a run that was killed goes on where it
// stopped. docs/formats/eval-journal.md
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "eval/data/records.h"
#include "io/file_lock.h"
#include "io/file_system.h"

namespace fathom::eval {

/// An append-only file of JSON lines under a lock: a header that says which run it is, then an
/// entry for each answer and each verdict. Thread-safe.
class Journal {
 public:
  /// Opens or creates the file. `header` must be an object: where the file has one already and a
  /// field differs, throws Error(kConflict) that names the field, so that answers of two runs never
  /// mix. A last line that was cut off is dropped. Throws Error(kConflict) too where another
  /// process holds the file, and Error(kBadInput) for a file that is no journal.
  Journal(io::FileSystem& files, const std::string& path, const Json& header);

  /// The entry that was kept under this key, or nothing.
  std::optional<Json> find(const std::string& key) const;
  /// Keeps `entry`, in the file when this returns. The last of several under one key counts.
  void keep(const std::string& key, const Json& entry);
  /// Writes a line that find() will not give: what went wrong, for the reader.
  void note(const Json& entry);
  /// Returns once all is on the disk.
  void sync();

 private:
  void load(const Json& header);
  void append(const Json& line);

  std::string path_;
  io::FileLock lock_;
  mutable std::mutex mutex_;
  std::map<std::string, Json> entries_;
  std::unique_ptr<io::WritableFile> file_;
};

}  // namespace fathom::eval
