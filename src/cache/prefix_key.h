// Names of cached prefixes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "model/language_model.h"

namespace fathom::cache {

/// The ids of one page. The cache's unit: what does not fill a page is not cached.
using PageIds = std::span<const int32_t, kPageTokens>;

/// Names the tokens from position 0 to the end of a page, under one model. A chain: each page's key
/// is a hash of its parent's and of its own ids, SHA-256 cut to 128 bits, so that nobody can craft
/// a prompt which lands on another's pages.
struct PrefixKey {
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const PrefixKey&) const = default;
};

/// The key of the empty prefix. `origin` is LanguageModel::page_origin(): pages of models that
/// compute or lay out anything differently never meet.
PrefixKey root_key(std::string_view origin);

PrefixKey child_key(const PrefixKey& parent, PageIds ids);

struct PrefixKeyHash {
  size_t operator()(const PrefixKey& key) const {
    size_t hash;  // the bytes are a hash already
    std::memcpy(&hash, key.bytes.data(), sizeof hash);
    return hash;
  }
};

/// The ids of page `page` of a sequence that covers it.
inline PageIds page_ids(std::span<const int32_t> tokens, int64_t page) {
  FATHOM_CHECK((page + 1) * kPageTokens <= static_cast<int64_t>(tokens.size()));
  return tokens.subspan(page * kPageTokens).first<kPageTokens>();
}

}  // namespace fathom::cache
