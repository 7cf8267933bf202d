#include "engine/grammar/vocabulary.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"
#include "base/error.h"

namespace fathom {
namespace {

/// Bytes without which some JSON text could be begun but not gone on with.
bool needed(int byte) {
  return (byte >= 0x20 && byte <= 0x7E) || (byte >= 0x80 && byte <= 0xBF) ||
         (byte >= 0xC2 && byte <= 0xF4);
}

}  // namespace

Vocabulary::Vocabulary(const std::vector<std::string>& token_bytes, std::vector<int32_t> end_ids)
    : bytes_(token_bytes), end_ids_(std::move(end_ids)) {
  if (end_ids_.empty()) {
    fail(ErrorKind::kUnsupported,
         "the vocabulary has no token that ends an answer, which a grammar needs");
  }
  for (int32_t id : end_ids_) {
    FATHOM_CHECK(id >= 0 && id < size());
    bytes_[static_cast<size_t>(id)].clear();
  }
  std::vector<int32_t> order(bytes_.size());
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](int32_t id) { return bytes(id).empty(); });
  std::ranges::stable_sort(order, {}, [&](int32_t id) -> const std::string& { return bytes(id); });

  std::array<bool, 256> single{};
  std::vector<uint32_t> path;  // the nodes that lead to the last token
  const auto close = [&](size_t depth) {
    for (size_t d = depth; d < path.size(); ++d) {
      nodes_[path[d]].end = static_cast<uint32_t>(nodes_.size());
    }
    path.resize(depth);
  };
  const std::string* previous = nullptr;
  for (int32_t id : order) {
    const std::string& text = bytes(id);
    longest_ = std::max<int64_t>(longest_, std::ssize(text));
    if (text.size() > UINT16_MAX) {
      fail(ErrorKind::kUnsupported, "token {}: {} bytes, expected at most {}", id, text.size(),
           UINT16_MAX);
    }
    if (previous != nullptr && *previous == text) {
      doubles_.emplace_back(nodes_[path.back()].id, id);
      continue;
    }
    const size_t shared =
        previous == nullptr
            ? 0
            : static_cast<size_t>(std::ranges::mismatch(*previous, text).in2 - text.begin());
    close(shared);
    for (size_t d = shared; d < text.size(); ++d) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({.depth = static_cast<uint16_t>(d), .byte = static_cast<uint8_t>(text[d])});
    }
    nodes_[path.back()].id = id;
    if (text.size() == 1) single[static_cast<uint8_t>(text[0])] = true;
    previous = &text;
  }
  close(0);
  for (int byte = 0; byte < 256; ++byte) {
    if (needed(byte) && !single[byte]) {
      fail(ErrorKind::kUnsupported,
           "the vocabulary has no token for the single byte 0x{:02X}, which a grammar needs", byte);
    }
  }
}

bool Vocabulary::ends(int32_t id) const {
  return std::ranges::find(end_ids_, id) != end_ids_.end();
}

}  // namespace fathom
