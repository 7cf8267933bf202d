#include "base/processors.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

TEST(Processors, AtLeastOneAndNoMoreThanAllowed) {
  EXPECT_GE(available_processors(), 1);
  EXPECT_LE(available_processors(), static_cast<int>(allowed_processors().size()));
  EXPECT_FALSE(cpu_features().name.empty());
}

}  // namespace
}  // namespace fathom
