// One request's choices on the engine.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "api/backend.h"
#include "api/choice_text.h"
#include "api/prompt.h"
#include "engine/grammar/grammar.h"

namespace fathom::api {

struct LocalAnswerPlan {
  Prompt prompt;
  ChoiceTextOptions text;
  int64_t max_tokens = 0;
  int64_t choices = 1;
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;
  Grammar::Ptr grammar;  ///< null: the answer is free
  std::string user;
  bool speculate = true;
  std::chrono::seconds time_limit{1800};
};

class LocalAnswer final : public Answer {
 public:
  /// `engine` and `prompts` must outlive this.
  LocalAnswer(Engine& engine, PromptBuilder& prompts, LocalAnswerPlan plan);
  ~LocalAnswer() override;

  int64_t prompt_tokens() const override;
  int64_t max_tokens() const override;
  void start(std::shared_ptr<AnswerReceiver> receiver) override;
  void cancel() override;
  void keep() override;

 private:
  class Choices;
  class Sink;
  Request make_request(int64_t choice) const;

  Engine& engine_;
  PromptBuilder& prompts_;
  const LocalAnswerPlan plan_;
  std::shared_ptr<Choices> choices_;
  std::vector<RequestId> ids_;
};

}  // namespace fathom::api
