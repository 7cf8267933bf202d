// What the cache's tests share: directories that vanish, and chains of made-up pages.
#pragma once

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/rng.h"
#include "cache/disk_store.h"

namespace fathom::cache {

/// A fresh directory under the system's temporary one, removed at the end.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fathom-cache-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// `count` random ids below `vocab`.
inline std::vector<int32_t> random_ids(Rng& rng, int64_t count, int32_t vocab = 1000) {
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(vocab));
  return ids;
}

/// The names of all full pages of `tokens`.
inline std::vector<PageName> page_names(const PrefixKey& root, std::span<const int32_t> tokens) {
  std::vector<PageName> names;
  PrefixKey parent = root;
  for (int64_t p = 0; (p + 1) * kPageTokens <= static_cast<int64_t>(tokens.size()); ++p) {
    PageName name{parent, child_key(parent, page_ids(tokens, p)), {}};
    std::ranges::copy(page_ids(tokens, p), name.ids.begin());
    parent = name.key;
    names.push_back(name);
  }
  return names;
}

/// The content that the page of `name` has in tests: a function of its key.
inline std::vector<std::byte> page_content(const PageName& name, size_t bytes) {
  uint64_t seed;
  std::memcpy(&seed, name.key.bytes.data(), sizeof seed);
  Rng rng(seed);
  std::vector<std::byte> content(bytes);
  for (std::byte& b : content) b = static_cast<std::byte>(rng.next());
  return content;
}

}  // namespace fathom::cache
