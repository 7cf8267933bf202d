#include "train/token_bin.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace fathom::train {
namespace {

constexpr size_t kHeaderBytes = 24;
constexpr uint32_t kVersion = 1;
constexpr char kTokenMagic[] = "FTHMTOK1";
constexpr char kMaskMagic[] = "FTHMMSK1";

size_t id_bytes(uint32_t vocab) { return vocab <= 65536 ? 2 : 4; }

uint64_t read_le(const uint8_t* p, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | p[i];
  return value;
}

void write_bytes(std::FILE* file, const std::string& path, const void* data, size_t bytes) {
  if (std::fwrite(data, 1, bytes, file) != bytes) {
    fail(ErrorKind::kIo, "{}: cannot write: {}", path, std::strerror(errno));
  }
}

std::FILE* create(const std::string& path) {
  std::FILE* file = std::fopen((path + ".tmp").c_str(), "wb");
  if (!file) fail(ErrorKind::kIo, "{}: cannot create: {}", path, std::strerror(errno));
  const char zeros[kHeaderBytes] = {};
  write_bytes(file, path, zeros, kHeaderBytes);
  return file;
}

void close_as(std::FILE*& file, const std::string& path, const char* magic, uint32_t word,
              uint64_t size) {
  uint8_t header[kHeaderBytes];
  std::memcpy(header, magic, 8);
  for (int i = 0; i < 4; ++i) header[8 + i] = static_cast<uint8_t>(kVersion >> (8 * i));
  for (int i = 0; i < 4; ++i) header[12 + i] = static_cast<uint8_t>(word >> (8 * i));
  for (int i = 0; i < 8; ++i) header[16 + i] = static_cast<uint8_t>(size >> (8 * i));
  std::rewind(file);
  write_bytes(file, path, header, kHeaderBytes);
  const bool flushed = std::fflush(file) == 0 && fsync(fileno(file)) == 0;
  const bool closed = std::fclose(std::exchange(file, nullptr)) == 0;
  if (!flushed || !closed || std::rename((path + ".tmp").c_str(), path.c_str()) != 0) {
    fail(ErrorKind::kIo, "{}: cannot finish: {}", path, std::strerror(errno));
  }
}

}  // namespace

std::string mask_path(const std::string& bin_path) {
  std::string path = bin_path;
  if (path.ends_with(".bin")) path.resize(path.size() - 4);
  return path + ".mask";
}

TokenBinWriter::TokenBinWriter(std::string path, uint32_t vocab, bool with_mask)
    : path_(std::move(path)), vocab_(vocab), ids_(create(path_)) {
  if (with_mask) mask_ = create(mask_path(path_));
}

TokenBinWriter::~TokenBinWriter() {
  if (ids_) {
    std::fclose(ids_);
    std::remove((path_ + ".tmp").c_str());
  }
  if (mask_) {
    std::fclose(mask_);
    std::remove((mask_path(path_) + ".tmp").c_str());
  }
}

void TokenBinWriter::append(std::span<const int32_t> ids, std::span<const uint8_t> mask) {
  FATHOM_CHECK(mask.size() == (mask_ ? ids.size() : 0));
  std::vector<uint8_t> bytes;
  bytes.reserve(ids.size() * id_bytes(vocab_));
  for (const int32_t id : ids) {
    FATHOM_CHECK(id >= 0 && static_cast<uint32_t>(id) < vocab_);
    for (size_t i = 0; i < id_bytes(vocab_); ++i)
      bytes.push_back(static_cast<uint8_t>(id >> 8 * i));
  }
  write_bytes(ids_, path_, bytes.data(), bytes.size());
  if (mask_) write_bytes(mask_, mask_path(path_), mask.data(), mask.size());
  size_ += ids.size();
}

void TokenBinWriter::packed_by(uint32_t window) {
  FATHOM_CHECK(mask_ != nullptr);
  window_ = window;
}

void TokenBinWriter::finish() {
  if (mask_) {
    close_as(mask_, mask_path(path_), kMaskMagic, window_, size_);
  } else {
    std::remove(mask_path(path_).c_str());  // of an earlier bin of this name
  }
  close_as(ids_, path_, kTokenMagic, vocab_, size_);
}

TokenBin::Map TokenBin::map_file(const std::string& path, const char* magic) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(ErrorKind::kNotFound, "{}: cannot open: {}", path, std::strerror(errno));
  struct stat info {};
  fstat(fd, &info);
  Map map;
  map.bytes = static_cast<size_t>(info.st_size);
  if (map.bytes < kHeaderBytes) {
    ::close(fd);
    fail(ErrorKind::kBadInput, "{}: {} bytes, a token bin has at least {}", path, map.bytes,
         kHeaderBytes);
  }
  void* memory = mmap(nullptr, map.bytes, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (memory == MAP_FAILED) fail(ErrorKind::kIo, "{}: mmap: {}", path, std::strerror(errno));
  map.data = static_cast<const uint8_t*>(memory);
  const bool known = std::memcmp(map.data, magic, 8) == 0 && read_le(map.data + 8, 4) == kVersion;
  if (!known) {
    munmap(memory, map.bytes);
    fail(ErrorKind::kBadInput, "{}: not a file of type {} version {}", path, magic, kVersion);
  }
  return map;
}

TokenBin TokenBin::open(const std::string& path) {
  TokenBin bin;
  bin.path_ = path;
  bin.ids_ = map_file(path, kTokenMagic);
  bin.vocab_ = static_cast<uint32_t>(read_le(bin.ids_.data + 12, 4));
  bin.size_ = read_le(bin.ids_.data + 16, 8);
  if (bin.vocab_ == 0 || (bin.ids_.bytes - kHeaderBytes) % id_bytes(bin.vocab_) != 0 ||
      bin.size_ != (bin.ids_.bytes - kHeaderBytes) / id_bytes(bin.vocab_)) {
    fail(ErrorKind::kBadInput,
         "{}: the header tells of {} tokens (vocabulary {}), the file has {} bytes", path,
         bin.size_, bin.vocab_, bin.ids_.bytes);
  }
  const std::string mask = mask_path(path);
  if (access(mask.c_str(), F_OK) == 0) {
    bin.mask_ = map_file(mask, kMaskMagic);
    if (read_le(bin.mask_.data + 16, 8) != bin.size_ ||
        bin.mask_.bytes - kHeaderBytes != bin.size_) {
      fail(ErrorKind::kBadInput, "{}: not as long as {} ({} tokens)", mask, path, bin.size_);
    }
    bin.window_ = static_cast<uint32_t>(read_le(bin.mask_.data + 12, 4));
    if (bin.window_ > 0 && bin.size_ % bin.window_ != 0) {
      fail(ErrorKind::kBadInput, "{}: windows of {} tokens, of which {} are no multiple", mask,
           bin.window_, bin.size_);
    }
  }
  return bin;
}

TokenBin::TokenBin(TokenBin&& other) noexcept { *this = std::move(other); }

TokenBin& TokenBin::operator=(TokenBin&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(vocab_, other.vocab_);
  std::swap(size_, other.size_);
  std::swap(window_, other.window_);
  std::swap(ids_, other.ids_);
  std::swap(mask_, other.mask_);
  return *this;
}

TokenBin::~TokenBin() {
  for (const Map& map : {ids_, mask_}) {
    if (map.data) munmap(const_cast<uint8_t*>(map.data), map.bytes);
  }
}

void TokenBin::read(uint64_t first, std::span<int32_t> out) const {
  FATHOM_CHECK(first + out.size() <= size_);
  const int width = static_cast<int>(id_bytes(vocab_));
  const uint8_t* p = ids_.data + kHeaderBytes + first * width;
  for (int32_t& id : out) {
    const uint64_t value = read_le(p, width);
    if (value >= vocab_) {
      fail(ErrorKind::kBadInput, "{}: token id {}, the vocabulary has {}", path_, value, vocab_);
    }
    id = static_cast<int32_t>(value);
    p += width;
  }
}

void TokenBin::read_mask(uint64_t first, std::span<uint8_t> out) const {
  FATHOM_CHECK(first + out.size() <= size_);
  if (mask_.data) {
    std::memcpy(out.data(), mask_.data + kHeaderBytes + first, out.size());
  } else {
    std::memset(out.data(), 1, out.size());
  }
}

}  // namespace fathom::train
