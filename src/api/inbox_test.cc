#include "api/inbox.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

namespace fathom::api {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

// A reader that takes all it is shown, until the end, and an engine that fills its inbox in rounds.
class InboxTest : public testing::Test {
 protected:
  void read(Wakeups::Clock::duration rest) {
    wakeups_->wait_for_rounds(rest);
    read_at_once();
  }
  void read_at_once() {
    inbox_ = std::make_shared<Inbox>(wakeups_);
    inbox_->look_first([this](Inbox::Batch& batch) {
      if (batch.result) return false;
      shown_.push_back(batch.events.size());
      batch.events.clear();
      if (shown_.size() == 1) meanwhile_();
      return true;
    });
    asio::co_spawn(io_, until_end(), asio::detached);
    io_.poll();
  }

  // A reader that is left waiting is never freed.
  void TearDown() override {
    if (!ended_) end();
    EXPECT_TRUE(ended_);
    const std::weak_ptr<Inbox> freed = std::exchange(inbox_, {});
    EXPECT_TRUE(freed.expired());
  }

  asio::awaitable<void> until_end() {
    while (!ended_) {
      const Inbox::Batch* batch = co_await inbox_->take(Inbox::Clock::now() + 1h);
      ++taken_;
      last_ = batch->events.size();
      ended_ = batch->result.has_value();
    }
  }

  void round(int events) {
    for (int i = 0; i < events; ++i) inbox_->push({});
    wakeups_->set_out();
    io_.poll();
  }
  // An event comes during the first look, and the rest goes by without a round.
  void look_and_rest() {
    read(20ms);
    meanwhile_ = [this] { inbox_->push({}); };
    round(1);
    EXPECT_EQ(shown_, std::vector<size_t>{1});
    std::this_thread::sleep_for(30ms);
  }
  void end() {
    inbox_->close({});
    wakeups_->set_out();
    io_.poll();
  }

  asio::io_context io_;
  std::shared_ptr<Wakeups> wakeups_ = std::make_shared<Wakeups>(io_.get_executor());
  std::shared_ptr<Inbox> inbox_;
  std::function<void()> meanwhile_ = [] {};  // is called during the first look
  std::vector<size_t> shown_;                // how many events each look had
  int taken_ = 0;                            // by the coroutine
  size_t last_ = 0;
  bool ended_ = false;
};

TEST_F(InboxTest, ShowsWhatComesAtTheRoundsEnd) {
  read(1h);
  inbox_->push({});
  io_.poll();
  EXPECT_TRUE(shown_.empty());
  round(1);
  EXPECT_EQ(shown_, std::vector<size_t>{2});
  EXPECT_EQ(taken_, 0);
}

TEST_F(InboxTest, ShowsWhatComesWithoutRoundsAtOnce) {
  read_at_once();
  for (int i = 0; i < 3; ++i) {
    inbox_->push({});
    io_.poll();
  }
  EXPECT_EQ(shown_, (std::vector<size_t>{1, 1, 1}));
}

TEST_F(InboxTest, ShowsNothingWhileTheReaderRests) {
  read(1h);
  for (int i = 0; i < 3; ++i) round(1);
  EXPECT_EQ(shown_, std::vector<size_t>{1});
}

TEST_F(InboxTest, ShowsTogetherWhatCameInTheRest) {
  look_and_rest();
  round(2);
  EXPECT_EQ(shown_, (std::vector<size_t>{1, 3}));
}

TEST_F(InboxTest, ARoundOfOthersEndsTheRest) {
  look_and_rest();
  round(0);
  EXPECT_EQ(shown_, (std::vector<size_t>{1, 1}));
  round(0);
  EXPECT_EQ(taken_, 0);
}

TEST_F(InboxTest, TheEndWakesAReaderAtRest) {
  read(1h);
  for (int i = 0; i < 3; ++i) round(1);
  end();
  EXPECT_TRUE(ended_);
  EXPECT_EQ(taken_, 1);
  EXPECT_EQ(last_, 2u);
}

TEST_F(InboxTest, AnEndDuringALookIsShown) {
  read(1h);
  meanwhile_ = [this] { inbox_->close({}); };
  round(1);
  EXPECT_TRUE(ended_);
}

TEST_F(InboxTest, AnInterruptionWakesAReaderAtRest) {
  read(1h);
  round(1);
  inbox_->interrupt();
  io_.poll();
  EXPECT_EQ(taken_, 1);
  EXPECT_FALSE(ended_);
}

}  // namespace
}  // namespace fathom::api
