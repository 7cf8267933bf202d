// Any text as a schema, and a walk through its grammar: it may be refused, but what is taken must
// never lead into a dead end.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/rng.h"
#include "engine/testing/grammar_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using fathom::engine::Walker;
  static const auto vocabulary = fathom::engine::byte_vocabulary();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fathom::Grammar::Ptr grammar;
  try {
    grammar = fathom::Grammar::json_schema(text, vocabulary);
  } catch (const fathom::Error&) {
    return 0;
  }
  Walker walker(*grammar, *vocabulary);
  fathom::Rng rng(size);
  for (int i = 0; i < 400 && !walker.may_end(); ++i) {
    const auto first = static_cast<int32_t>(rng.below(256));
    int32_t id = first;
    while (!walker.take(id)) {
      id = (id + 1) % 256;
      if (id == first) {
        std::fprintf(stderr, "a dead end after %d bytes\n", i);
        std::abort();
      }
    }
  }
  return 0;
}
