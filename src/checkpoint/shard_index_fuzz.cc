// Any bytes as a model.safetensors.index.json: an index that reads back the same, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "checkpoint/shard_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  ShardIndex index;
  try {
    index = ShardIndex::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const Error&) {
    return 0;
  }
  for (const ShardIndex::Entry& entry : index.entries) {
    FATHOM_CHECK(entry.shard >= 0 && entry.shard < static_cast<int>(index.shards.size()));
    FATHOM_CHECK(index.shards[entry.shard].find('/') == std::string::npos);
  }
  const std::string text = index.to_json(1);
  FATHOM_CHECK(ShardIndex::parse(text, "fuzz, written back").to_json(1) == text);
  return 0;
}
