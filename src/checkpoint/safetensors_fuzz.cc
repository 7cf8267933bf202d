// Any bytes as a safetensors file: a header that holds what it promises, or an Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "base/error.h"
#include "checkpoint/safetensors_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  try {
    const SafetensorsHeader header =
        parse_safetensors_header(std::as_bytes(std::span(data, size)), "fuzz");
    uint64_t bytes = 0;
    for (const HeaderEntry& entry : header.entries) {
      FATHOM_CHECK(entry.begin <= entry.end && header.data_begin + entry.end <= size);
      const int64_t elements = count_elements(entry.shape, entry.dtype, "fuzz", entry.name);
      FATHOM_CHECK(entry.end - entry.begin ==
                   static_cast<uint64_t>(elements) * dtype_size(entry.dtype));
      bytes += entry.end - entry.begin;
    }
    FATHOM_CHECK(header.data_begin + bytes == size);
  } catch (const Error&) {
  }
  return 0;
}
