// Runs over a server that fails, dawdles, talks nonsense, and over runs that were cut short.
#include "eval/run/runner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "eval/evaluation.h"
#include "eval/testing/mock_server.h"
#include "io/file_system.h"

namespace fathom::eval {
namespace {

using std::chrono::milliseconds;

// Items whose answer is the number that the question ends in.
Task counting_task(int items) {
  Task task;
  task.name = "counting";
  task.title = "Counting";
  task.metric = "EM";
  task.needs_data = false;
  task.items = [items](const TaskInput&, int) {
    std::vector<Item> all;
    for (int i = 0; i < items; ++i) {
      const std::string number = std::to_string(i);
      all.push_back(
          {number, user_message("say " + number), number, {{"parity", i % 2 ? "odd" : "even"}}});
    }
    return all;
  };
  task.score = [](const Item& item, const std::string& answer, const std::string&) {
    return Outcome{Json(answer) == item.reference ? 1.0 : 0.0, answer, {}};
  };
  return task;
}

std::string number_in(const nlohmann::json& request) {
  return request.at("messages").back().at("content").get<std::string>().substr(4);
}

class RunnerTest : public testing::Test {
 protected:
  RunnerTest() : task_(counting_task(60)) {
    folder_ = std::filesystem::temp_directory_path() /
              ("fathom-runner-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
  }
  ~RunnerTest() override { std::filesystem::remove_all(folder_); }

  RunPlan plan(const MockServer& server) {
    RunPlan plan;
    plan.task = &task_;
    plan.input.settings.samples = 1;
    plan.model.address = parse_http_address("--api", server.url());
    plan.model.model = "mock";
    plan.model.timeout = std::chrono::seconds(5);
    plan.model.first_wait = milliseconds(1);
    plan.model.longest_wait = milliseconds(5);
    plan.concurrency = 8;
    return plan;
  }

  Json run(const RunPlan& plan) { return evaluate(plan, folder_, nullptr); }
  std::string results_file() const { return io::read_file(RunFiles(folder_).results); }

  Task task_;
  std::string folder_;
};

TEST_F(RunnerTest, AsksEveryItemOnceAndScoresIt) {
  std::atomic<int> requests = 0;
  MockServer server([&](const nlohmann::json& request) {
    ++requests;
    EXPECT_EQ(request.at("model"), "mock");
    EXPECT_EQ(request.at("temperature"), 0);
    EXPECT_EQ(request.at("max_tokens"), 8192);
    const std::string number = number_in(request);
    return MockServer::says(number == "7" ? "eight" : number);
  });
  const Json document = run(plan(server));
  EXPECT_EQ(requests, 60);
  EXPECT_EQ(document["answered"], 60);
  EXPECT_DOUBLE_EQ(document["score"].get<double>(), 59.0 / 60);
  EXPECT_EQ(document["interval"]["method"], "wilson");
  EXPECT_DOUBLE_EQ(document["groups"]["parity"]["even"]["score"].get<double>(), 1);
  EXPECT_EQ(document["usage"]["completion_tokens"], 180);
  const std::string page = io::read_file(RunFiles(folder_).report);
  EXPECT_NE(page.find("say 59"), std::string::npos);
  EXPECT_EQ(page.find("http-equiv"), std::string::npos);
}

TEST_F(RunnerTest, AServerThatFailsAThirdOfTheTimeAndDawdlesStillGivesTheResult) {
  std::mutex mutex;
  Rng rng(1);
  MockServer server([&](const nlohmann::json& request) {
    uint64_t roll = 0;
    {
      const std::lock_guard lock(mutex);
      roll = rng.below(100);
    }
    if (roll < 10) return MockServer::Reply{503, "{\"error\": \"busy\"}"};
    if (roll < 20) return MockServer::Reply{200, "", true};
    if (roll < 30) return MockServer::Reply{200, "<html>it works</html>"};
    if (roll < 40) std::this_thread::sleep_for(milliseconds(50));
    return MockServer::says(number_in(request));
  });
  RunPlan flaky = plan(server);
  flaky.model.tries = 20;
  const Json document = run(flaky);
  EXPECT_EQ(document["answered"], 60);
  EXPECT_EQ(document["failed"], 0);
  EXPECT_EQ(document["score"], 1.0);
}

TEST_F(RunnerTest, NonsenseAndRefusalsAreCountedApart) {
  MockServer server([&](const nlohmann::json& request) {
    const int number = std::stoi(number_in(request));
    if (number < 5) return MockServer::Reply{200, "{\"choices\": []}"};
    if (number < 10) return MockServer::Reply{400, "{\"error\": {\"message\": \"too long\"}}"};
    return MockServer::says(std::to_string(number));
  });
  RunPlan cut = plan(server);
  cut.model.tries = 2;
  const Json document = run(cut);
  EXPECT_EQ(document["failed"], 10);
  EXPECT_EQ(document["answered"], 50);
  EXPECT_EQ(document["score"], 1.0);
  EXPECT_NE(document["items"][7]["failure"].get<std::string>().find("too long"), std::string::npos);
}

TEST_F(RunnerTest, AWrongKeyOrModelEndsTheRun) {
  const std::pair<int, std::string> refusals[] = {{401, "Authentication Fails"},
                                                  {400, "Model Not Exist"}};
  for (const auto& [status, message] : refusals) {
    std::atomic<int> requests = 0;
    MockServer server([&](const nlohmann::json&) {
      ++requests;
      return MockServer::Reply{status, "{\"error\": {\"message\": \"" + message + "\"}}"};
    });
    try {
      run(plan(server));
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos);
    }
    EXPECT_LE(requests, 8);
  }
}

TEST_F(RunnerTest, WhatWasAnsweredIsNotAskedAgain) {
  std::atomic<bool> broken = true;
  std::mutex mutex;
  std::map<std::string, int> answered;
  MockServer server([&](const nlohmann::json& request) {
    const std::string number = number_in(request);
    if (broken && std::stoi(number) % 3 == 0) return MockServer::Reply{400, "{}"};
    const std::lock_guard lock(mutex);
    ++answered[number];
    return MockServer::says(number);
  });
  EXPECT_EQ(run(plan(server))["failed"], 20);
  broken = false;
  EXPECT_EQ(run(plan(server))["failed"], 0);
  for (const auto& [number, times] : answered) EXPECT_EQ(times, 1) << number;
  EXPECT_EQ(answered.size(), 60u);

  // The same bytes as a run that was never interrupted.
  const std::string resumed = results_file();
  std::filesystem::remove_all(folder_);
  run(plan(server));
  EXPECT_EQ(results_file(), resumed);
}

TEST_F(RunnerTest, AJournalCutOffInTheMiddleOfALineGoesOn) {
  std::atomic<int> requests = 0;
  MockServer server([&](const nlohmann::json& request) {
    ++requests;
    return MockServer::says(number_in(request));
  });
  run(plan(server));
  const std::string whole = results_file(), path = RunFiles(folder_).journal;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 9);
  run(plan(server));
  EXPECT_EQ(requests, 61);
  EXPECT_EQ(results_file(), whole);
}

TEST_F(RunnerTest, AJournalOfOtherSettingsIsRefused) {
  MockServer server(
      [&](const nlohmann::json& request) { return MockServer::says(number_in(request)); });
  run(plan(server));
  RunPlan other = plan(server);
  other.input.settings.temperatures = {0.7};
  RunPlan others = plan(server);  // of the same name
  others.model_source = "another model's weights";
  for (const auto& [changed, field] :
       {std::pair(other, "temperatures"), {others, "model_source"}}) {
    try {
      run(changed);
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kConflict);
      EXPECT_NE(std::string(error.what()).find(field), std::string::npos) << error.what();
    }
  }
}

TEST_F(RunnerTest, AJudgeIsAskedOnceForEachAnswer) {
  std::atomic<int> judged = 0;
  MockServer server(
      [&](const nlohmann::json& request) { return MockServer::says(number_in(request)); });
  MockServer judge([&](const nlohmann::json&) {
    ++judged;
    return MockServer::says("A");
  });
  task_.needs_judge = true;
  task_.verdict = [](const Item&, const std::string& answer, const Ask& ask) {
    return ask(user_message("is it " + answer + "?"));
  };
  task_.score = [](const Item&, const std::string&, const std::string& verdict) {
    return Outcome{verdict == "A" ? 1.0 : 0.0, verdict, {}};
  };
  RunPlan both = plan(server);
  EXPECT_THROW(run(both), Error);  // no judge is named
  both.judge = both.model;
  both.judge->address = parse_http_address("--api", judge.url());
  EXPECT_EQ(run(both)["score"], 1.0);
  EXPECT_EQ(run(both)["score"], 1.0);
  EXPECT_EQ(judged, 60);
}

}  // namespace
}  // namespace fathom::eval
