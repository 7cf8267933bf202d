#include "ledger/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "ledger/books.h"
#include "ledger/testing/ledger_fixture.h"

namespace fathom::ledger {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

using testing::long_tests;

class LedgerTest : public testing::LedgerFixture {};

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

}  // namespace
}  // namespace fathom::ledger
