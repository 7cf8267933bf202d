// A ledger on each of the two databases, for tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "ledger/ledger.h"
#include "ledger/testing/private_postgres.h"

namespace fathom::ledger::testing {

inline bool long_tests() { return std::getenv("FATHOM_LONG_TESTS") != nullptr; }

/// The same tests run on both databases: parameters "sqlite" and "postgres".
class LedgerFixture : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "postgres") {
      postgres_ = std::make_unique<PrivatePostgres>(FATHOM_BINARY_DIR "/postgres_template");
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
                        .lease = std::chrono::seconds(30)});
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

  std::unique_ptr<PrivatePostgres> postgres_;
  std::string folder_;
  std::string address_;
  std::atomic<int64_t> micros_ =
      (kPromotionEnd + std::chrono::hours(24)).time_since_epoch().count();
};

}  // namespace fathom::ledger::testing
