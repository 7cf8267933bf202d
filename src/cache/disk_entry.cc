#include "cache/disk_entry.h"

#include <openssl/sha.h>

#include <array>
#include <cstring>

namespace fathom::cache {
namespace {

constexpr uint32_t kVersion = 1;

// Little-endian and without padding.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t page_tokens;
  uint8_t parent[16];
  uint8_t key[16];
  int32_t ids[kPageTokens];
  uint64_t page_bytes;
};
static_assert(sizeof(Header) == 8 + 4 + 4 + 16 + 16 + 4 * kPageTokens + 8);

using Digest = std::array<std::byte, 16>;

Header make_header(const PageName& name, size_t page_bytes) {
  Header header{
      {'F', 'T', 'H', 'M', 'P', 'A', 'G', 'E'}, kVersion, kPageTokens, {}, {}, {}, page_bytes};
  std::memcpy(header.parent, name.parent.bytes.data(), sizeof header.parent);
  std::memcpy(header.key, name.key.bytes.data(), sizeof header.key);
  std::memcpy(header.ids, name.ids.data(), sizeof header.ids);
  return header;
}

Digest digest_of(std::span<const std::byte> bytes) {
  uint8_t full[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), full);
  Digest digest;
  std::memcpy(digest.data(), full, digest.size());
  return digest;
}

}  // namespace

void encode_entry(const PageName& name, std::span<const std::byte> page,
                  std::vector<std::byte>& entry) {
  const Header header = make_header(name, page.size());
  const size_t body = sizeof header + page.size();
  entry.resize(body + sizeof(Digest));
  std::memcpy(entry.data(), &header, sizeof header);
  std::memcpy(entry.data() + sizeof header, page.data(), page.size());
  const Digest digest = digest_of(std::span(entry).first(body));
  std::memcpy(entry.data() + body, digest.data(), digest.size());
}

bool decode_entry(std::span<const std::byte> entry, const PageName& name,
                  std::span<std::byte> page) {
  const Header header = make_header(name, page.size());
  const size_t body = sizeof header + page.size();
  if (entry.size() != body + sizeof(Digest)) return false;
  if (std::memcmp(entry.data(), &header, sizeof header) != 0) return false;
  const Digest digest = digest_of(entry.first(body));
  if (std::memcmp(entry.data() + body, digest.data(), digest.size()) != 0) return false;
  std::memcpy(page.data(), entry.data() + sizeof header, page.size());
  return true;
}

}  // namespace fathom::cache
