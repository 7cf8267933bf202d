// One request on its way through another server.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <unordered_set>

#include "api/backend.h"
#include "api/upstream/answer_reader.h"
#include "api/upstream/http_call.h"

namespace fathom::api {

/// The line to the server, which all requests share.
struct UpstreamLine {
  asio::any_io_executor executor;  ///< runs on one thread; everything below but `running` is its
  CallTarget target;
  std::unordered_set<HttpCall*> calls;
  std::atomic<int64_t> running = 0;
};

struct UpstreamPlan {
  CallRequest call;
  AnswerReaderOptions reader;
  int64_t most_prompt_tokens = 0;
  int64_t max_tokens = 0;
  std::chrono::seconds time_limit{1800};
};

class UpstreamAnswer final : public Answer {
 public:
  /// `line` must outlive this and what it started.
  UpstreamAnswer(UpstreamLine& line, UpstreamPlan plan);
  ~UpstreamAnswer() override;

  int64_t prompt_tokens() const override;
  int64_t max_tokens() const override;
  void start(std::shared_ptr<AnswerReceiver> receiver) override;
  void cancel() override;

 private:
  class Work;

  UpstreamLine& line_;
  std::shared_ptr<Work> work_;
};

}  // namespace fathom::api
