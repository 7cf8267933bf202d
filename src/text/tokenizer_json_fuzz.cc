// Any bytes as a tokenizer.json: a tokenizer that gives back the text it encodes, or an Error.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  using namespace fathom::text;
  std::shared_ptr<const Tokenizer> tokenizer;
  try {
    tokenizer = Tokenizer::from_json({reinterpret_cast<const char*>(data), size});
  } catch (const Error&) {
    return 0;
  }
  const std::string_view samples[] = {"", "Hello, world! 123", "你好\n\n  spaces",
                                      "<|x|> a\xcc\x81"};
  for (const std::string_view sample : samples) {
    std::vector<int32_t> ids;
    try {
      ids = tokenizer->encode(sample);
    } catch (const Error&) {
      continue;  // a vocabulary may lack the bytes
    }
    for (const int32_t id : ids) FATHOM_CHECK(id >= 0 && id < tokenizer->vocab_size());
    tokenizer->decode(ids);
  }
  return 0;
}
