// What becomes of holds when servers die, are slow, or cannot reach the database.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/rng.h"
#include "ledger/server_process.h"
#include "ledger/testing/ledger_fixture.h"

namespace fathom::ledger {
namespace {

using namespace std::chrono_literals;
using testing::long_tests;

class LedgerServersTest : public testing::LedgerFixture {};

TEST_P(LedgerServersTest, HoldsOfADeadServerAreSettledOnceForWhatTheyNoted) {
  const auto dead = open();
  dead->heartbeat();
  const Customer ann = customer(*dead, "ann", Currency::kCny, 0, kUnit);
  ASSERT_TRUE(dead->open_hold(ask(ann, "r1", 100, 50)));
  ASSERT_TRUE(dead->open_hold(ask(ann, "r2", 100, 50)));
  dead->extend_hold("r1", {64, 36, 20}, 50);
  const auto live = open();
  live->heartbeat();
  EXPECT_EQ(live->recover(), 0) << "its process lives and its lease holds";
  pass(31s);
  live->heartbeat();
  EXPECT_EQ(live->recover(), 2);
  EXPECT_EQ(live->recover(), 0);
  const Nano cost = 64 * 500 + 36 * 2000 + 20 * 8000;
  EXPECT_EQ(live->charge_of("r1")->charged, cost);
  EXPECT_EQ(live->charge_of("r1")->outcome, "server_lost");
  EXPECT_EQ(live->charge_of("r2")->charged, 0);
  EXPECT_EQ(dead->extend_hold("r1", {64, 36, 40}, 50), 20) << "late: no more than was charged";
  EXPECT_EQ(dead->settle("r1", {64, 36, 40}, "stop").charged, cost) << "late, and already charged";
  EXPECT_EQ(live->account("ann").total(), kUnit - cost);
  EXPECT_EQ(live->account("ann").held, 0);
  // A server that was only slow goes on.
  dead->heartbeat();
  EXPECT_TRUE(dead->open_hold(ask(ann, "r3", 1, 1)));
}

TEST_P(LedgerServersTest, AServerWhoseProcessLivesKeepsItsHoldsHoweverSlow) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, kUnit);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto slow = open();
    slow->heartbeat();
    const bool held = slow->open_hold(ask(ann, "r1", 100, 50)).has_value();
    if (write(pipe_ends[1], held ? "y" : "n", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char held = 0;
  ASSERT_EQ(read(pipe_ends[0], &held, 1), 1);
  EXPECT_EQ(held, 'y');
  pass(3600s);
  EXPECT_EQ(ledger->recover(), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  int64_t recovered = 0;
  // PostgreSQL may take a moment to end the dead client's transaction.
  for (int i = 0; i < 200 && recovered == 0; ++i, usleep(5000)) recovered = ledger->recover();
  EXPECT_EQ(recovered, 1);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST_P(LedgerServersTest, WhatCouldNotBeSettledIsWithAHeartbeat) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, kUnit);
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r1", 100, 50)));
  const auto db = open_database(address_, Durability::kProcess);
  db->execute("ALTER TABLE usage RENAME TO usage_away");
  EXPECT_THROW(ledger->settle("r1", {0, 100, 7}, "stop"), Error);
  ledger->settle_later("r1", {0, 100, 7}, "stop");
  EXPECT_THROW(ledger->heartbeat(), Error);
  db->execute("ALTER TABLE usage_away RENAME TO usage");
  ledger->heartbeat();
  EXPECT_EQ(ledger->charge_of("r1")->charged, 100 * 2000 + 7 * 8000);
  EXPECT_EQ(ledger->account("ann").held, 0);
  ledger->heartbeat();
  EXPECT_EQ(ledger->account("ann").total(), kUnit - (100 * 2000 + 7 * 8000));
}

// A child opens, extends and settles until it is killed; the parent then recovers. Whatever the
// instant, each request that the child saw opened is charged once.
TEST_P(LedgerServersTest, KilledAtAnyInstantNothingIsLostOrChargedTwice) {
  const Nano balance = 100 * kUnit;
  Customer ann;
  {
    const auto ledger = open();
    ann = customer(*ledger, "ann", Currency::kCny, balance / 2, balance / 2);
  }
  Rng rng(7);
  const int kills = long_tests() ? 500 : 12;
  int64_t opened = 0;
  for (int round = 0; round < kills; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto ledger = open();
      ledger->heartbeat();
      for (int i = 0;; ++i) {
        const std::string id = std::to_string(round) + "-" + std::to_string(i);
        if (!ledger->open_hold(ask(ann, id, 10, 4))) _exit(1);
        if (write(pipe_ends[1], "o", 1) != 1) _exit(1);
        ledger->extend_hold(id, {0, 10, 2}, 4);
        ledger->settle(id, {0, 10, 5}, "stop");
      }
    }
    close(pipe_ends[1]);
    char first;
    ASSERT_EQ(read(pipe_ends[0], &first, 1), 1);
    usleep(static_cast<useconds_t>(rng.below(15'000)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ++opened;
    char buffer[4096];
    for (ssize_t got; (got = read(pipe_ends[0], buffer, sizeof buffer)) > 0;) opened += got;
    close(pipe_ends[0]);
    const auto ledger = open();
    ledger->heartbeat();
    // SQLite knows at once; PostgreSQL may take a moment to end the dead client's transaction.
    for (int i = 0; i < 200 && ledger->account("ann").held > 0; ++i) {
      ledger->recover();
      usleep(i == 0 ? 0 : 5000);
    }
    ASSERT_EQ(ledger->account("ann").held, 0);
  }
  const auto ledger = open();
  const auto lines = ledger->usage({});
  ASSERT_EQ(lines.size(), 1u);
  // The last open of a round may have been committed without a word about it.
  EXPECT_GE(lines[0].requests, opened);
  EXPECT_LE(lines[0].requests, opened + kills);
  EXPECT_EQ(ledger->account("ann").total(), balance - lines[0].charged);
}

TEST_P(LedgerServersTest, TwoServersShareOneDatabase) {
  const auto one = open();
  const Customer ann = customer(*one, "ann", Currency::kCny, 0, 100 * 8000);
  one->heartbeat();
  const auto two = open();
  two->heartbeat();
  ASSERT_TRUE(one->open_hold(ask(ann, "r1", 0, 60)));
  EXPECT_EQ(two->open_hold(ask(ann, "r2", 0, 60))->covered_output, 40);
  EXPECT_EQ(two->recover(), 0);
  EXPECT_EQ(two->settle("r1", {0, 0, 60}, "stop").charged, 60 * 8000);
}

INSTANTIATE_TEST_SUITE_P(Databases, LedgerServersTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ServerProcess, KnowsTheDead) {
  EXPECT_EQ(process_lives(this_process()), std::nullopt) << "it may have been several servers";
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(process_lives({this_process().host, std::to_string(child) + " 12345"}), false);
  EXPECT_EQ(process_lives({"elsewhere", std::to_string(child) + " 12345"}), std::nullopt);
}

}  // namespace
}  // namespace fathom::ledger
