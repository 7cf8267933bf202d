#include "ledger/api_key.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>
#include <span>

#include "base/error.h"

namespace fathom::ledger {
namespace {

std::string to_hex(std::span<const unsigned char> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::array<unsigned char, 16> random_bytes() {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) {
    fail(ErrorKind::kIo, "the system's random source failed");
  }
  return bytes;
}

}  // namespace

std::string new_api_key() { return "sk-" + to_hex(random_bytes()); }

std::string hash_api_key(std::string_view key) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  return to_hex(digest);
}

std::string api_key_hint(std::string_view key) {
  return "sk-..." + std::string(key.substr(key.size() < 4 ? 0 : key.size() - 4));
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string new_uuid() {
  std::array<unsigned char, 16> bytes = random_bytes();
  bytes[6] = (bytes[6] & 0x0F) | 0x40;
  bytes[8] = (bytes[8] & 0x3F) | 0x80;
  std::string uuid = to_hex(bytes);
  for (const size_t at : {20, 16, 12, 8}) uuid.insert(at, 1, '-');
  return uuid;
}

}  // namespace fathom::ledger
