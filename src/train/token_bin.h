// Tokenized corpora on disk (docs/formats/tokens.md).
#pragma once

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

namespace fathom::train {

/// Writes NAME.bin and, when masks are given, NAME.mask. The files take their names in finish();
/// a writer destroyed before leaves nothing behind.
class TokenBinWriter {
 public:
  /// `path` ends in .bin; the mask lies beside it. Throws Error(kIo).
  TokenBinWriter(std::string path, uint32_t vocab, bool with_mask);
  ~TokenBinWriter();
  TokenBinWriter(const TokenBinWriter&) = delete;
  TokenBinWriter& operator=(const TokenBinWriter&) = delete;

  /// Appends ids, each within the vocabulary. `mask` has one entry per id (0 or 1), or is empty
  /// where the writer has no mask.
  void append(std::span<const int32_t> ids, std::span<const uint8_t> mask = {});
  uint64_t size() const { return size_; }
  /// Says that whole documents lie in windows of so many ids. Needs a mask, which keeps it.
  void packed_by(uint32_t window);
  void finish();

 private:
  std::string path_;
  uint32_t vocab_;
  std::FILE* ids_ = nullptr;
  std::FILE* mask_ = nullptr;
  uint64_t size_ = 0;
  uint32_t window_ = 0;
};

/// A mapped token bin. Move-only; the mapping lives as long as the object.
class TokenBin {
 public:
  /// Opens `path` (.bin) and the .mask beside it where there is one.
  /// Throws Error: kNotFound, or kBadInput for a file that breaks the format.
  static TokenBin open(const std::string& path);
  TokenBin(TokenBin&& other) noexcept;
  TokenBin& operator=(TokenBin&& other) noexcept;
  ~TokenBin();

  uint32_t vocab() const { return vocab_; }
  uint64_t size() const { return size_; }
  bool has_mask() const { return mask_.data != nullptr; }
  /// Ids of a window that documents were packed into; 0: they follow one another.
  uint32_t window() const { return window_; }

  /// Ids first .. first + out.size() - 1. Throws Error(kBadInput) for an id outside the vocabulary.
  void read(uint64_t first, std::span<int32_t> out) const;
  /// Their masks; all 1 where the bin has none.
  void read_mask(uint64_t first, std::span<uint8_t> out) const;

 private:
  struct Map {
    const uint8_t* data = nullptr;
    size_t bytes = 0;
  };
  TokenBin() = default;
  static Map map_file(const std::string& path, const char* magic);

  std::string path_;
  uint32_t vocab_ = 0;
  uint64_t size_ = 0;
  uint32_t window_ = 0;
  Map ids_;
  Map mask_;
};

/// The mask file of a .bin path.
std::string mask_path(const std::string& bin_path);

}  // namespace fathom::train
