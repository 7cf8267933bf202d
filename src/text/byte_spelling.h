// How byte-level vocabularies spell bytes: each as one printable character.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom::text {

/// The character for one byte: itself where it is printable in Latin-1, else the next from U+0100
/// on (GPT-2's mapping, which the `tokenizers` library calls ByteLevel).
uint32_t spelling_of(int byte);

/// All of `bytes`, as UTF-8.
std::string spell_bytes(std::string_view bytes);

}  // namespace fathom::text
