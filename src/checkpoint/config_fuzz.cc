// Any bytes as a config.json: a config that reads back the same and lists its tensors, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "checkpoint/config.h"
#include "checkpoint/expected_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  ModelConfig config;
  try {
    config = ModelConfig::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const Error&) {
    return 0;
  }
  const std::string text = config.to_json();
  FATHOM_CHECK(ModelConfig::parse(text, "fuzz, written back").to_json() == text);
  // The list is as long as the model has matrices; a fuzzer has other things to do.
  const int64_t layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  if (layers * (config.n_routed_experts + 1) < 1000) {
    FATHOM_CHECK(!expected_tensors(config).empty());
  }
  return 0;
}
