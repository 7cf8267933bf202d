#include "cache/prefix_key.h"

#include <openssl/sha.h>

#include "base/check.h"

namespace fathom::cache {
namespace {

PrefixKey truncate(const uint8_t (&digest)[SHA256_DIGEST_LENGTH]) {
  PrefixKey key;
  std::memcpy(key.bytes.data(), digest, key.bytes.size());
  return key;
}

}  // namespace

PrefixKey root_key(std::string_view origin) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(origin.data()), origin.size(), digest);
  return truncate(digest);
}

PrefixKey child_key(const PrefixKey& parent, PageIds ids) {
  uint8_t message[sizeof(PrefixKey) + ids.size_bytes()];
  std::memcpy(message, parent.bytes.data(), sizeof(PrefixKey));
  std::memcpy(message + sizeof(PrefixKey), ids.data(), ids.size_bytes());
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(message, sizeof message, digest);
  return truncate(digest);
}

}  // namespace fathom::cache
