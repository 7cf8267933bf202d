#include "engine/fair_share.h"

#include <gtest/gtest.h>

namespace fathom::engine {
namespace {

TEST(FairShare, ANewcomerStartsLevelWithTheLeastServed) {
  FairShare share;
  share.enter("a");
  share.enter("b");
  share.charge("a", 10);
  share.charge("b", 4);
  share.enter("c");
  EXPECT_EQ(share.served("c"), 4);
  share.charge("c", 1);
  EXPECT_EQ(share.least(), 4);
}

TEST(FairShare, WhoAsksForMoreKeepsWhatHeWasServed) {
  FairShare share;
  share.enter("a");
  share.charge("a", 10);
  share.enter("a");
  EXPECT_EQ(share.served("a"), 10);
  share.leave("a");
  EXPECT_EQ(share.served("a"), 10);
}

TEST(FairShare, IdlingEarnsNothing) {
  FairShare share;
  share.enter("a");
  share.enter("b");
  share.charge("a", 3);
  share.charge("b", 7);
  share.leave("a");
  share.enter("a");
  EXPECT_EQ(share.served("a"), 7);
  // Nor does it when everybody is away.
  share.leave("b");
  share.charge("a", 2);
  share.leave("a");
  share.enter("b");
  EXPECT_EQ(share.served("b"), 9);
}

}  // namespace
}  // namespace fathom::engine
