#include "kernels/panel.h"

#include <algorithm>

namespace fathom {

bool is_panel_place(const void* at) {
  return reinterpret_cast<uintptr_t>(at) % kPanelAlignment == 0;
}

bool holds_nan(std::span<const std::byte> codes) {
  uint8_t most = 0;  // a byte, so that vectors hold as many as they can
  for (const std::byte code : codes) {
    most = std::max(most, static_cast<uint8_t>(std::to_integer<uint8_t>(code) & 0x7F));
  }
  return most == 0x7F;
}

}  // namespace fathom
