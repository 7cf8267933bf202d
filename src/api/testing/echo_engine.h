// An engine whose answers a test writes: it says what the last message says.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace fathom::api::testing {

/// The answer to a chat is the text of its last user or tool message, special tokens recognised in
/// it; what an assistant's unfinished message already says of it is left out. FIM gets
/// "<PREFIX|SUFFIX>", a plain completion "(PROMPT)". A constraint that does not allow the text
/// makes the request fail. Marks at the beginning of the text change what happens:
///
///     [[wait MS]]   before the first token      [[slow MS]]   before each token
///     [[fail]]      after three tokens          [[full]]      submit() refuses
///     [[hang]]      until cancelled or the deadline
///
/// Prompts are cached in units of 64 tokens, as the real engine's.
class EchoEngine final : public Engine {
 public:
  explicit EchoEngine(std::shared_ptr<const text::Tokenizer> tokenizer);
  ~EchoEngine() override;

  RequestId submit(Request request, std::shared_ptr<TokenSink> sink) override;
  void cancel(RequestId id) override;
  EngineStats stats() const override;
  void after_rounds(std::function<void()> then) override { after_round_ = std::move(then); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Sequence;

  void read_script(Sequence& sequence) const;
  int64_t cached(const std::vector<int32_t>& prompt);
  void work();
  /// Whether the sequence is over.
  bool advance(Sequence& sequence);
  bool emit(Sequence& sequence);
  static bool finish(Sequence& sequence, FinishReason reason, const std::string& error = "");

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::unique_ptr<Sequence>> sequences_;
  std::set<std::vector<int32_t>> seen_;  // beginnings of prompts, whole units of 64
  RequestId next_ = 1;
  bool stop_ = false;
  std::function<void()> after_round_ = [] {};
  std::thread thread_;
};

struct EchoEngine::Sequence {
  RequestId id = 0;
  Request request;
  std::shared_ptr<TokenSink> sink;
  std::vector<int32_t> script;
  Usage usage;
  Clock::time_point due;
  std::chrono::milliseconds pace{0};
  bool fails = false;
  bool hangs = false;
  bool full = false;
  std::atomic<bool> cancelled = false;
};

inline constexpr int64_t kUnit = 64;
inline constexpr std::chrono::milliseconds kTick{1};

/// What follows the last of the marks in `text`.
inline std::string after_last(const std::string& text, std::initializer_list<const char*> marks) {
  size_t begin = 0;
  for (const std::string mark : marks) {
    const size_t at = text.rfind(mark);
    if (at != std::string::npos) begin = std::max(begin, at + mark.size());
  }
  return text.substr(begin);
}

inline std::string answer_to(const std::string& prompt) {
  const std::string fim = "<｜fim▁begin｜>", hole = "<｜fim▁hole｜>", end = "<｜fim▁end｜>";
  const std::string assistant = "<｜Assistant｜>", begin = "<｜begin▁of▁sentence｜>";
  if (const size_t at = prompt.find(fim); at != std::string::npos) {
    const size_t middle = prompt.find(hole), tail = prompt.find(end);
    return "<" + prompt.substr(at + fim.size(), middle - at - fim.size()) + "|" +
           prompt.substr(middle + hole.size(), tail - middle - hole.size()) + ">";
  }
  const size_t turn = prompt.rfind(assistant);
  if (turn == std::string::npos) return "(" + after_last(prompt, {begin.c_str()}) + ")";
  const std::string said = prompt.substr(turn + assistant.size());
  const std::string asked =
      after_last(prompt.substr(0, turn), {"<｜User｜>", "<｜end▁of▁sentence｜>"});
  return asked.starts_with(said) ? asked.substr(said.size()) : asked;
}

/// Takes "[[NAME]]" or "[[NAME NUMBER]]" off the front.
inline bool take_mark(std::string& text, const std::string& name, int& number) {
  if (!text.starts_with("[[" + name)) return false;
  const size_t end = text.find("]]");
  number = std::atoi(text.substr(2 + name.size(), end - 2 - name.size()).c_str());
  text.erase(0, end + 2);
  return true;
}

inline EchoEngine::EchoEngine(std::shared_ptr<const text::Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)), thread_([this] { work(); }) {}

inline EchoEngine::~EchoEngine() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (const auto& sequence : sequences_) finish(*sequence, FinishReason::kCancelled);
}

inline void EchoEngine::read_script(Sequence& sequence) const {
  std::string text = answer_to(tokenizer_->decode(sequence.request.prompt));
  sequence.due = Clock::now();
  for (bool more = true; more;) {
    int number = 0;
    more = true;
    if (take_mark(text, "wait", number)) {
      sequence.due += std::chrono::milliseconds(number);
    } else if (take_mark(text, "slow", number)) {
      sequence.pace = std::chrono::milliseconds(number);
    } else if (take_mark(text, "fail", number)) {
      sequence.fails = true;
    } else if (take_mark(text, "full", number)) {
      sequence.full = true;
    } else if (take_mark(text, "hang", number)) {
      sequence.hangs = true;
    } else {
      more = false;
    }
  }
  sequence.script = tokenizer_->encode(text);
}

inline int64_t EchoEngine::cached(const std::vector<int32_t>& prompt) {
  int64_t hit = 0;
  std::vector<int32_t> beginning;
  for (auto size = kUnit; size < std::ssize(prompt); size += kUnit) {
    beginning.assign(prompt.begin(), prompt.begin() + size);
    if (!seen_.insert(beginning).second && hit == size - kUnit) hit = size;
  }
  return hit;
}

inline RequestId EchoEngine::submit(Request request, std::shared_ptr<TokenSink> sink) {
  auto sequence = std::make_unique<Sequence>();
  sequence->request = std::move(request);
  sequence->sink = std::move(sink);
  read_script(*sequence);
  if (sequence->full) fail(ErrorKind::kResource, "the queue is full: 0 requests wait");
  const std::lock_guard lock(mutex_);
  Usage& usage = sequence->usage;
  usage.prompt_tokens = std::ssize(sequence->request.prompt);
  usage.cache_hit_tokens = cached(sequence->request.prompt);
  usage.cache_miss_tokens = usage.prompt_tokens - usage.cache_hit_tokens;
  sequence->id = next_++;
  const RequestId id = sequence->id;
  sequences_.push_back(std::move(sequence));
  changed_.notify_all();
  return id;
}

inline void EchoEngine::cancel(RequestId id) {
  const std::lock_guard lock(mutex_);
  for (const auto& sequence : sequences_) {
    if (sequence->id == id) sequence->cancelled = true;
  }
  changed_.notify_all();
}

inline EngineStats EchoEngine::stats() const {
  const std::lock_guard lock(mutex_);
  EngineStats stats;
  stats.running = std::ssize(sequences_);
  return stats;
}

inline void EchoEngine::work() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    std::vector<Sequence*> now;
    for (const auto& sequence : sequences_) now.push_back(sequence.get());
    lock.unlock();
    std::set<Sequence*> over;
    for (Sequence* sequence : now) {
      if (advance(*sequence)) over.insert(sequence);
    }
    if (!now.empty()) after_round_();
    lock.lock();
    sequences_.remove_if([&](const auto& sequence) { return over.contains(sequence.get()); });
    if (sequences_.empty()) {
      changed_.wait(lock, [&] { return stop_ || !sequences_.empty(); });
    } else {
      // Whole milliseconds, so that what comes in steady time is told in steady time.
      const auto next = std::chrono::floor<std::chrono::milliseconds>(Clock::now()) + kTick;
      changed_.wait_until(lock, next, [&] { return stop_; });
    }
  }
}

inline bool EchoEngine::finish(Sequence& sequence, FinishReason reason, const std::string& error) {
  sequence.sink->on_finish({.reason = reason, .usage = sequence.usage, .error = error});
  return true;
}

// All that is due now; a sequence without a pace is done at once.
inline bool EchoEngine::advance(Sequence& sequence) {
  for (;;) {
    if (sequence.cancelled) return finish(sequence, FinishReason::kCancelled);
    const auto now = Clock::now();
    if (sequence.request.deadline && now >= *sequence.request.deadline) {
      return finish(sequence, FinishReason::kDeadline);
    }
    if (sequence.hangs || now < sequence.due) return false;
    sequence.due += sequence.pace;
    if (emit(sequence)) return true;
  }
}

inline bool EchoEngine::emit(Sequence& sequence) {
  Usage& usage = sequence.usage;
  const auto made = static_cast<size_t>(usage.completion_tokens);
  if (sequence.fails && made == 3) return finish(sequence, FinishReason::kError, "as scripted");
  if (made == 0) sequence.sink->on_prompt(usage.cache_hit_tokens);
  ++usage.completion_tokens;
  if (made == sequence.script.size()) return finish(sequence, FinishReason::kStop);
  const int32_t id = sequence.script[made];
  if (Constraint* constraint = sequence.request.constraint.get()) {
    std::vector<uint64_t> mask((tokenizer_->vocab_size() + 63) / 64);
    constraint->fill_mask(mask);
    if ((mask[id / 64] >> (id % 64) & 1) == 0) {
      return finish(sequence, FinishReason::kError, "the script breaks the constraint");
    }
    constraint->advance(id);
  }
  GeneratedToken token{.id = id, .logprob = -0.5f, .top = {}};
  for (int i = 0; i < sequence.request.sampling.top_logprobs; ++i) {
    token.top.push_back({id + i, -0.5f - static_cast<float>(i)});
  }
  if (!sequence.sink->on_token(token)) return finish(sequence, FinishReason::kStop);
  if (usage.completion_tokens >= sequence.request.max_tokens) {
    return finish(sequence, FinishReason::kLength);
  }
  return false;
}

}  // namespace fathom::api::testing
