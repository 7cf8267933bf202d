#include "ledger/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "ledger/books.h"
#include "ledger/server_process.h"
#include "ledger/testing/private_postgres.h"

namespace fathom::ledger {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

bool long_tests() { return std::getenv("FATHOM_LONG_TESTS") != nullptr; }

/// The same tests run on both databases.
class LedgerTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "postgres") {
      postgres_ =
          std::make_unique<testing::PrivatePostgres>(FATHOM_BINARY_DIR "/postgres_template");
      address_ = postgres_->uri();
    } else {
      char pattern[] = "/tmp/fathom-ledger-XXXXXX";
      folder_ = mkdtemp(pattern);
      address_ = folder_ + "/ledger.db";
    }
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  std::unique_ptr<Ledger> open() {
    return std::make_unique<Ledger>(
        Ledger::Options{.address = address_,
                        .durability = Durability::kProcess,
                        .clock = [this] { return Time(std::chrono::microseconds(micros_.load())); },
                        .lease = 30s});
  }
  void set_time(Time time) { micros_ = time.time_since_epoch().count(); }
  void pass(std::chrono::microseconds time) { micros_ += time.count(); }

  struct Customer {
    Account account;
    ApiKey key;
  };
  static Customer customer(Ledger& ledger, const std::string& name, Currency currency, Nano granted,
                           Nano paid) {
    ledger.create_account(name, currency);
    if (granted > 0) ledger.grant(name, granted, name + "-grant");
    if (paid > 0) ledger.top_up(name, paid, name + "-topup");
    const ApiKey key = ledger.create_key(name, name + "-key").record;
    return {ledger.account(name), key};
  }
  static HoldRequest ask(const Customer& who, const std::string& id, int64_t prompt,
                         int64_t output) {
    return {.request_id = id,
            .account_id = who.account.id,
            .key_id = who.key.id,
            .model = "deepseek-chat",
            .worst = {0, prompt, output}};
  }

  std::unique_ptr<testing::PrivatePostgres> postgres_;
  std::string folder_;
  std::string address_;
  std::atomic<int64_t> micros_ =
      (kPromotionEnd + std::chrono::hours(24)).time_since_epoch().count();
};

TEST_P(LedgerTest, AccountsHoldCreditsOnce) {
  const auto ledger = open();
  ledger->create_account("ann", Currency::kCny);
  EXPECT_THROW(ledger->create_account("ann", Currency::kUsd), Error);
  EXPECT_THROW(ledger->account("bob"), Error);
  EXPECT_THROW(ledger->create_account("", Currency::kCny), Error);
  EXPECT_THROW(ledger->create_account("a\nb", Currency::kCny), Error);
  ledger->grant("ann", 10 * kUnit, "welcome");
  ledger->top_up("ann", 100 * kUnit, "invoice 1");
  ledger->top_up("ann", 100 * kUnit, "invoice 1");
  EXPECT_THROW(ledger->top_up("ann", 0, "nothing"), Error);
  EXPECT_THROW(ledger->top_up("ann", INT64_MAX, "too much"), Error);
  const Account ann = open()->account("ann");
  EXPECT_EQ(ann.granted, 10 * kUnit);
  EXPECT_EQ(ann.topped_up, 100 * kUnit);
  EXPECT_EQ(ann.available(), 110 * kUnit);
}

TEST_P(LedgerTest, KeysOpenTheirAccountUntilRevoked) {
  const auto ledger = open();
  EXPECT_FALSE(ledger->has_keys());
  ledger->create_account("ann", Currency::kCny);
  const NewApiKey key = ledger->create_key("ann", "laptop");
  EXPECT_THROW(ledger->create_key("ann", "laptop"), Error);
  EXPECT_TRUE(ledger->has_keys());
  ASSERT_TRUE(ledger->authenticate(key.secret));
  EXPECT_EQ(ledger->authenticate(key.secret)->account, "ann");
  for (const std::string& wrong :
       {std::string(), std::string("sk-"), key.secret + "0", key.secret.substr(1),
        std::string("' OR 1=1 --"), std::string(100'000, 'a'), std::string("\0\xFF", 2)}) {
    EXPECT_FALSE(ledger->authenticate(wrong));
  }
  for (const ApiKey& listed : ledger->keys()) {
    EXPECT_EQ(listed.hint.find(key.secret), std::string::npos);
    EXPECT_LT(listed.hint.size(), 12u);
  }
  ledger->revoke_key("laptop");
  ledger->revoke_key(key.secret);
  EXPECT_FALSE(ledger->authenticate(key.secret));
  EXPECT_TRUE(ledger->has_keys()) << "a server whose last key was revoked does not become open";
  EXPECT_THROW(ledger->revoke_key("phone"), Error);
}

TEST_P(LedgerTest, NoSecretIsStored) {
  const auto ledger = open();
  ledger->create_account("ann", Currency::kCny);
  const std::string secret = ledger->create_key("ann", "laptop").secret;
  const auto db = open_database(address_, Durability::kProcess);
  for (const Row& row : db->query("SELECT hash, hint, name FROM api_keys", {})) {
    for (size_t column = 0; column < 3; ++column) {
      EXPECT_EQ(row.text(column).find(secret.substr(3, 16)), std::string::npos);
    }
  }
}

TEST_P(LedgerTest, ChargesExactlyGrantedFirst) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 5'000'000, kUnit);
  const auto hold = ledger->open_hold(ask(ann, "r1", 1000, 256));
  ASSERT_TRUE(hold);
  EXPECT_EQ(hold->covered_output, 256);
  EXPECT_EQ(ledger->account("ann").held, 1000 * 2000 + 256 * 8000);
  const Charge charge = ledger->settle("r1", {640, 360, 1}, "stop");
  EXPECT_EQ(charge.charged, 640 * 500 + 360 * 2000 + 8000);
  EXPECT_EQ(charge.from_granted, charge.charged);
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r2", 3000, 100)));
  const Charge second = ledger->settle("r2", {0, 3000, 100}, "stop");
  EXPECT_EQ(second.from_granted, 5'000'000 - charge.charged);
  const Account after = ledger->account("ann");
  EXPECT_EQ(after.granted, 0);
  EXPECT_EQ(after.held, 0);
  EXPECT_EQ(after.total(), 5'000'000 + kUnit - charge.charged - second.charged);
}

TEST_P(LedgerTest, RefusesWhatCannotBeAfforded) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, 10 * 2000 + 2 * 8000);
  EXPECT_FALSE(ledger->open_hold(ask(ann, "r1", 18, 100)));
  const auto hold = ledger->open_hold(ask(ann, "r2", 10, 100));
  ASSERT_TRUE(hold);
  EXPECT_EQ(hold->covered_output, 2);
  EXPECT_FALSE(ledger->open_hold(ask(ann, "r3", 0, 1)));
  EXPECT_EQ(ledger->extend_hold("r2", {0, 10, 2}, 100), 2);
  ledger->settle("r2", {0, 10, 2}, "balance");
  EXPECT_EQ(ledger->account("ann").total(), 0);
  EXPECT_FALSE(ledger->charge_of("r1"));
}

// Whoever has no money may ask often.
TEST_P(LedgerTest, ARefusalWritesNothing) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, 1);
  const auto written = [&]() -> std::string {
    if (folder_.empty()) {
      const auto other = open_database(address_, Durability::kProcess);
      return other->query("SELECT CAST(xmin AS TEXT) FROM accounts", {}).at(0).text(0);
    }
    std::ifstream log(address_ + "-wal", std::ios::binary);
    return {std::istreambuf_iterator<char>(log), {}};
  };
  const std::string before = written();
  EXPECT_FALSE(before.empty());
  EXPECT_FALSE(ledger->open_hold(ask(ann, "r1", 10, 10)));
  EXPECT_TRUE(written() == before);
  ledger->top_up("ann", kUnit, "more");
  EXPECT_FALSE(written() == before);
}

TEST_P(LedgerTest, AllOrNothingDoesNotTakeLess) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, 80'000);
  HoldRequest request = ask(ann, "r1", 0, 11);
  request.all_or_nothing = true;
  EXPECT_FALSE(ledger->open_hold(request));
  request.worst.output = 10;
  EXPECT_TRUE(ledger->open_hold(request));
}

TEST_P(LedgerTest, AHoldGrowsWithTheAnswer) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kUsd, 0, kUnit);
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r1", 128, 10)));
  // Cache hits make room: the difference pays for output.
  const int64_t covered = ledger->extend_hold("r1", {128, 0, 1}, 0);
  EXPECT_EQ(covered, (128 * 270 + 10 * 1100 - 128 * 70) / 1100);
  EXPECT_EQ(ledger->extend_hold("r1", {128, 0, 10}, 500), 510);
  EXPECT_EQ(ledger->account("ann").held, 128 * 70 + 510 * 1100);
  EXPECT_THROW(ledger->extend_hold("unknown", {0, 0, 1}, 1), Error);
  EXPECT_THROW(ledger->extend_hold("r1", {-1, 0, 0}, 1), Error);
  EXPECT_EQ(ledger->settle("r1", {128, 0, 300}, "stop").charged, 128 * 70 + 300 * 1100);
}

TEST_P(LedgerTest, TheSameRequestIsChargedOnce) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, kUnit);
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r1", 10, 10)));
  const Nano held = ledger->account("ann").held;
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r1", 10, 10)));
  EXPECT_EQ(ledger->account("ann").held, held);
  const Charge first = ledger->settle("r1", {0, 10, 10}, "stop");
  const Charge again = ledger->settle("r1", {0, 10, 9}, "stop");
  EXPECT_EQ(first.charged, again.charged);
  EXPECT_EQ(again.tokens.output, 10);
  EXPECT_EQ(ledger->account("ann").total(), kUnit - first.charged);
  EXPECT_THROW(ledger->open_hold(ask(ann, "r1", 10, 10)), Error);
  EXPECT_THROW(ledger->settle("r9", {}, "stop"), Error);
}

TEST_P(LedgerTest, ChangesShareATransactionAndFailAlone) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, 1'000'000'000);
  std::optional<Hold> first, second;
  const Change open_first = [&](Books& books) { first = books.open_hold(ask(ann, "r1", 10, 10)); };
  const Change unknown = [&](Books& books) { books.settle("unknown", {0, 1, 1}, "stop"); };
  const Change open_second = [&](Books& books) {
    second = books.open_hold(ask(ann, "r2", 10, 10));
  };
  const Change broken = [&](Books& books) {
    books.extend_hold("r1", {0, 10, 5}, 10);
    throw Error(ErrorKind::kIo, "after a change");
  };
  const Change* const changes[] = {&open_first, &unknown, &open_second, &broken};
  const auto errors = ledger->apply(changes);
  ASSERT_EQ(errors.size(), 4u);
  EXPECT_TRUE(!errors[0] && errors[1] && !errors[2] && errors[3]);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->covered_output, 10);
  const Nano each = first->prices.cost({0, 10, 10});
  EXPECT_EQ(ledger->account("ann").held, 2 * each) << "what threw left nothing behind";

  const Change settle_first = [&](Books& books) { books.settle("r1", {0, 10, 10}, "stop"); };
  const Change settle_second = [&](Books& books) { books.settle("r2", {0, 10, 1}, "stop"); };
  const Change* const ends[] = {&settle_first, &settle_second, &settle_first};
  for (const auto& error : ledger->apply(ends)) EXPECT_FALSE(error);
  EXPECT_EQ(ledger->account("ann").held, 0);
  EXPECT_EQ(ledger->account("ann").total(), 1'000'000'000 - each - second->prices.cost({0, 10, 1}));
}

TEST_P(LedgerTest, ChangesOfSeveralAccountsAddUp) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 500'000, kUnit);
  const Customer bob = customer(*ledger, "bob", Currency::kUsd, 0, kUnit);
  std::vector<Change> all;
  for (int i = 0; i < 6; ++i) {
    const std::string id = "r" + std::to_string(i);
    const Customer& who = i % 2 ? bob : ann;
    all.push_back([=](Books& books) { books.open_hold(ask(who, id, 10, 10)); });
    all.push_back([=](Books& books) { books.extend_hold(id, {0, 10, 5}, 100); });
    if (i >= 4) continue;
    all.push_back([=](Books& books) { books.settle(id, {0, 10, 50}, "stop"); });
  }
  std::vector<const Change*> changes;
  for (const Change& each : all) changes.push_back(&each);
  for (const auto& error : ledger->apply(changes)) EXPECT_FALSE(error);
  const Nano ann_paid = 2 * (10 * 2000 + 50 * 8000), bob_paid = 2 * (10 * 270 + 50 * 1100);
  EXPECT_EQ(ledger->account("ann").granted, 0);
  EXPECT_EQ(ledger->account("ann").topped_up, kUnit + 500'000 - ann_paid);
  EXPECT_EQ(ledger->account("ann").held, 10 * 2000 + 105 * 8000);
  EXPECT_EQ(ledger->account("bob").topped_up, kUnit - bob_paid);
  EXPECT_EQ(ledger->account("bob").held, 10 * 270 + 105 * 1100);
}

TEST_P(LedgerTest, NeverNegativeWhenABackendUsesMoreThanItsHold) {
  const auto ledger = open();
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, 100'000);
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r1", 10, 1)));
  const Charge charge = ledger->settle("r1", {0, 10, 1000}, "stop");
  EXPECT_EQ(charge.charged, 100'000);
  EXPECT_EQ(charge.tokens.output, 1000);
  EXPECT_EQ(ledger->account("ann").total(), 0);
}

TEST_P(LedgerTest, ThePriceIsTheOneAtArrival) {
  const auto ledger = open();
  set_time(kPromotionEnd - 1us);
  const Customer ann = customer(*ledger, "ann", Currency::kCny, 0, kUnit);
  ASSERT_TRUE(ledger->open_hold(ask(ann, "r1", 10, 10)));
  pass(1h);
  EXPECT_EQ(ledger->settle("r1", {0, 10, 10}, "stop").charged, 10 * 1000 + 10 * 2000);
}

TEST_P(LedgerTest, FiftyClientsCannotOverspendOneBalance) {
  const auto ledger = open();
  const Nano balance = 40 * (20 * 2000 + 30 * 8000) + 77;
  const Customer ann = customer(*ledger, "ann", Currency::kCny, balance / 3, balance - balance / 3);
  std::atomic<Nano> charged = 0;
  std::atomic<int> served = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 50; ++client) {
    clients.emplace_back([&, client] {
      for (int i = 0; i < 4; ++i) {
        const std::string id = std::to_string(client) + "-" + std::to_string(i);
        if (!ledger->open_hold(ask(ann, id, 20, 8))) continue;
        int64_t covered = 8, output = 0;
        while (output < 30) {
          output = std::min<int64_t>(30, covered);
          if (output == 30) break;
          const int64_t more = ledger->extend_hold(id, {0, 20, output}, 8);
          if (more <= covered) break;
          covered = more;
        }
        charged += ledger->settle(id, {0, 20, output}, "stop").charged;
        ++served;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const Account after = ledger->account("ann");
  EXPECT_GE(after.granted, 0);
  EXPECT_GE(after.topped_up, 0);
  EXPECT_EQ(after.held, 0);
  EXPECT_EQ(after.total() + charged, balance);
  EXPECT_LT(after.total(), 20 * 2000 + 8 * 8000) << "nearly all of it can be spent";
  EXPECT_GE(served, 40);
}

TEST_P(LedgerTest, HoldsOfADeadServerAreSettledOnceForWhatTheyNoted) {
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

TEST_P(LedgerTest, AServerWhoseProcessLivesKeepsItsHoldsHoweverSlow) {
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

TEST_P(LedgerTest, WhatCouldNotBeSettledIsWithAHeartbeat) {
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

TEST_P(LedgerTest, AReferenceStandsForOnePayment) {
  const auto ledger = open();
  customer(*ledger, "ann", Currency::kCny, 0, 0);
  customer(*ledger, "bob", Currency::kCny, 0, 0);
  EXPECT_EQ(ledger->top_up("ann", 10 * kUnit, "INV-1").topped_up, 10 * kUnit);
  EXPECT_EQ(ledger->top_up("ann", 10 * kUnit, "INV-1").topped_up, 10 * kUnit);
  EXPECT_THROW(ledger->top_up("ann", 11 * kUnit, "INV-1"), Error);
  EXPECT_THROW(ledger->grant("ann", 10 * kUnit, "INV-1"), Error);
  try {
    ledger->top_up("bob", 10 * kUnit, "INV-1");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
    EXPECT_THAT(error.what(), HasSubstr("10.000000000 CNY to account 'ann'"));
  }
  EXPECT_EQ(ledger->account("bob").total(), 0);
}

// A child opens, extends and settles until it is killed; the parent then recovers. Whatever the
// instant, each request that the child saw opened is charged once.
TEST_P(LedgerTest, KilledAtAnyInstantNothingIsLostOrChargedTwice) {
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

TEST_P(LedgerTest, UsageAddsUpByKeyDayAndModel) {
  const auto ledger = open();
  set_time(kPromotionEnd - 1us);
  const Customer ann = customer(*ledger, "ann, \"A\"", Currency::kCny, 0, kUnit);
  const Customer bob = customer(*ledger, "=bob", Currency::kUsd, 0, kUnit);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(ledger->open_hold(ask(ann, "a" + std::to_string(i), 100, 10)));
    ledger->settle("a" + std::to_string(i), {64, 36, 10}, "stop");
    pass(9h);
  }
  ASSERT_TRUE(ledger->open_hold(ask(bob, "b", 1, 1)));
  ledger->settle("b", {0, 1, 1}, "stop");
  const auto lines = ledger->usage({});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].day, "2025-02-08");
  EXPECT_EQ(lines[0].requests, 1);
  EXPECT_EQ(lines[0].charged, 64 * 100 + 36 * 1000 + 10 * 2000);
  EXPECT_EQ(lines[1].day, "2025-02-09");
  EXPECT_EQ(lines[1].requests, 2);
  EXPECT_EQ(lines[1].tokens, (Tokens{128, 72, 20}));
  EXPECT_EQ(ledger->usage({.account_id = bob.account.id, .first_day = "", .last_day = ""}).size(),
            1u);
  EXPECT_EQ(
      ledger->usage({.account_id = {}, .first_day = "2025-02-09", .last_day = "2025-02-09"}).size(),
      2u);
  const std::string csv = usage_csv(lines);
  EXPECT_THAT(csv, HasSubstr("2025-02-08,\"ann, \"\"A\"\"\",\"ann, \"\"A\"\"-key\",sk-..."));
  EXPECT_THAT(csv, HasSubstr(",'=bob,"));
  EXPECT_THAT(csv, HasSubstr(",deepseek-chat,CNY,1,64,36,10,0.000062400\r\n"));
  EXPECT_THAT(usage_json(lines), HasSubstr("\"cost\": \"0.000062400\""));
}

/// The bill of one request, computed apart from the ledger's code: from the table in units of 10^-9
/// a token.
Nano independent_cost(bool yuan, int64_t unix_micros, const Tokens& t) {
  const bool promotion = unix_micros < 1'739'030'400'000'000;  // 2025-02-08T16:00:00Z
  if (yuan) {
    return promotion ? 100 * t.hit + 1000 * t.miss + 2000 * t.output
                     : 500 * t.hit + 2000 * t.miss + 8000 * t.output;
  }
  return promotion ? 14 * t.hit + 140 * t.miss + 280 * t.output
                   : 70 * t.hit + 270 * t.miss + 1100 * t.output;
}

TEST_P(LedgerTest, SimulatedRequestsAcrossThePromotionsEndAddUpToTheUnit) {
  const auto ledger = open();
  ledger->heartbeat();
  const Nano start = 1'000'000 * kUnit;
  const Customer customers[2] = {customer(*ledger, "yuan", Currency::kCny, start / 2, start / 2),
                                 customer(*ledger, "dollar", Currency::kUsd, start / 2, start / 2)};
  const bool sqlite = std::string(GetParam()) == "sqlite";
  const int requests = long_tests() ? 100'000 : sqlite ? 5'000 : 1'500;
  Rng rng(2025);
  Nano expected[2] = {0, 0};
  std::map<std::string, Nano> by_day;
  for (int i = 0; i < requests; ++i) {
    const bool yuan = rng.below(2) == 0;
    const int64_t offset = static_cast<int64_t>(rng.below(4 * 86'400'000'000ull));
    set_time(kPromotionEnd - 48h + std::chrono::microseconds(offset));
    const int64_t arrived = micros_;
    const int64_t prompt = 1 + static_cast<int64_t>(rng.below(60'000));
    const int64_t hit = static_cast<int64_t>(rng.below(prompt / 64 + 1)) * 64;
    const Tokens used{hit, prompt - hit, 1 + static_cast<int64_t>(rng.below(4096))};
    const std::string id = "q" + std::to_string(i);
    ASSERT_TRUE(ledger->open_hold(ask(customers[yuan ? 0 : 1], id, prompt, used.output)));
    pass(std::chrono::seconds(rng.below(1800)));
    const Charge charge = ledger->settle(id, used, "stop");
    const Nano cost = independent_cost(yuan, arrived, used);
    ASSERT_EQ(charge.charged, cost);
    expected[yuan ? 0 : 1] += cost;
    by_day[format_day(Time(std::chrono::microseconds(arrived))) + (yuan ? "CNY" : "USD")] += cost;
  }
  for (const int i : {0, 1}) {
    EXPECT_EQ(ledger->account(customers[i].account.id).total(), start - expected[i]);
  }
  for (const UsageLine& line : ledger->usage({})) {
    EXPECT_EQ(line.charged, by_day[line.day + std::string(currency_name(line.currency))]);
  }
}

TEST_P(LedgerTest, TwoServersShareOneDatabase) {
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

INSTANTIATE_TEST_SUITE_P(Databases, LedgerTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST(LedgerFiles, RefuseWhatTheyAreNot) {
  EXPECT_THROW(open_database("mysql://host/db", Durability::kProcess), Error);
  EXPECT_THROW(open_database(":memory:", Durability::kProcess), Error);
  EXPECT_THROW(open_database("/nonexistent/folder/ledger.db", Durability::kProcess), Error);
  try {
    open_database("postgres://user:hunter2@127.0.0.1:1/db", Durability::kProcess);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos);
  }
}

TEST(LedgerFiles, ANewerSchemaIsRefusedByNumber) {
  char pattern[] = "/tmp/fathom-ledger-XXXXXX";
  const std::string folder = mkdtemp(pattern);
  const std::string path = folder + "/ledger.db";
  { Ledger ledger({.address = path, .durability = {}, .clock = {}, .lease = 30s}); }
  open_database(path, Durability::kProcess)->execute("UPDATE ledger_version SET version = 99");
  try {
    Ledger ledger({.address = path, .durability = {}, .clock = {}, .lease = 30s});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("99"));
  }
  std::filesystem::remove_all(folder);
}

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
