// API keys: 128 random bits that only their owner keeps. The ledger stores the hash.
#pragma once

#include <string>
#include <string_view>

namespace fathom::ledger {

/// A new key, "sk-" and 32 hexadecimal digits, from the system's random source.
/// Throws Error(kIo) when that fails.
std::string new_api_key();

/// SHA-256 in hexadecimal. The key is random, so a plain hash cannot be searched and needs no salt.
std::string hash_api_key(std::string_view key);

/// What a list may show of a key: "sk-...1f3a".
std::string api_key_hint(std::string_view key);

/// Equality in a time that depends on the lengths alone.
bool equal_in_constant_time(std::string_view a, std::string_view b);

/// A random (version 4) UUID, for requests and servers.
std::string new_uuid();

}  // namespace fathom::ledger
