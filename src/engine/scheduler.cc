#include "engine/scheduler.h"

#include <algorithm>
#include <utility>

namespace fathom::engine {
namespace {

// What a generated token counts in a user's share, against one of a prompt.
constexpr double kDecodeWeight = 4;

void insert_by_arrival(std::vector<std::unique_ptr<Sequence>>& list,
                       std::unique_ptr<Sequence> sequence) {
  const auto place =
      std::ranges::upper_bound(list, sequence->id, {}, [](const auto& other) { return other->id; });
  list.insert(place, std::move(sequence));
}

}  // namespace

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  share_.enter(sequence->request.user);
  insert_by_arrival(waiting_, std::move(sequence));
}

void Scheduler::cancel(RequestId id) {
  for (const Sequences* list : {&waiting_, &running_}) {
    for (const auto& sequence : *list) {
      if (sequence->id == id) sequence->finish(FinishReason::kCancelled);
    }
  }
}

void Scheduler::finish_all(FinishReason reason) {
  for (const Sequences* list : {&waiting_, &running_}) {
    for (const auto& sequence : *list) sequence->finish(reason);
  }
}

int64_t Scheduler::paused() const {
  return std::ranges::count_if(waiting_, [](const auto& sequence) { return sequence->paused; });
}

int64_t Scheduler::running_of(const std::string& user) const {
  return std::ranges::count_if(
      running_, [&](const auto& sequence) { return sequence->request.user == user; });
}

Plan Scheduler::plan(Time now) {
  end_late(now);
  admit(now);
  Plan plan;
  plan_streams(plan);
  plan_prompts(plan);
  // A sequence may have been paused after it was planned, for an older one.
  for (std::vector<Work>* work : {&plan.streams, &plan.prompts}) {
    std::erase_if(*work, [](const Work& item) { return item.sequence->paused; });
  }
  requeue_paused();
  for (const Work& item : plan.streams) charge(item, kDecodeWeight);
  for (const Work& item : plan.prompts) charge(item, static_cast<double>(item.tokens));
  return plan;
}

void Scheduler::charge(const Work& work, double cost) {
  share_.charge(work.sequence->request.user, cost);
}

void Scheduler::end_late(Time now) {
  for (const Sequences* list : {&waiting_, &running_}) {
    for (const auto& sequence : *list) {
      const auto& deadline = sequence->request.deadline;
      if (deadline && now >= *deadline) sequence->finish(FinishReason::kDeadline);
    }
  }
}

// The least served user's oldest.
Scheduler::Sequences::iterator Scheduler::next_waiting() {
  auto best = waiting_.end();
  double least = 0;
  const double none_has_less = share_.least();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if ((*it)->done()) continue;
    const double served = share_.served((*it)->request.user);
    if (best == waiting_.end() || served < least) {
      best = it;
      least = served;
    }
    if (least <= none_has_less) break;
  }
  return best;
}

void Scheduler::admit(Time now) {
  if (waiting_.empty()) return;
  int64_t available = memory_.pages_available();
  for (const auto& sequence : running_) available -= SequenceMemory::pages_wanted(*sequence);
  for (;;) {
    const auto next = next_waiting();
    if (next == waiting_.end()) return;
    const int64_t wanted = SequenceMemory::pages_wanted(**next);
    if (!running_.empty() && wanted > available) return;
    if (running() >= max_running_ && !make_slot_for((*next)->request.user)) return;
    std::unique_ptr<Sequence> sequence = std::move(*next);
    waiting_.erase(next);
    requeue_paused();  // whose slot it takes
    available -= wanted;
    if (sequence->admitted == Time{}) sequence->admitted = now;
    sequence->paused = false;
    insert_by_arrival(running_, std::move(sequence));
  }
}

// A user with nothing running gets the slot of one who has several; nobody thrashes, because each
// then keeps his last. False when there is none to take.
bool Scheduler::make_slot_for(const std::string& user) {
  if (running_of(user) > 0) return false;
  Sequence* victim = nullptr;
  int64_t most = 1;
  for (const auto& sequence : running_) {
    const int64_t count = running_of(sequence->request.user);
    if (sequence->done() || count < 2 || count < most) continue;
    most = count;
    victim = sequence.get();  // of equals the youngest
  }
  if (victim == nullptr) return false;
  prefill_.forget(*victim);  // its pages may stay held for the others' sake
  pause(*victim);
  return true;
}

void Scheduler::plan_streams(Plan& plan) {
  for (const auto& owned : running_) {
    Sequence& sequence = *owned;
    if (sequence.done() || sequence.paused) continue;
    if (sequence.in_prefill || sequence.left() != 1) continue;
    const auto drafts = std::ssize(sequence.drafts);
    if (drafts > 0 && !memory_.reserve(sequence, sequence.computed, sequence.size() + drafts)) {
      sequence.drafts.clear();
    }
    if (secure(sequence, sequence.size())) plan.streams.push_back({&sequence, 1});
  }
}

void Scheduler::plan_prompts(Plan& plan) {
  if (prefill_.under_way()) return;
  std::vector<Sequence*> prompts;
  for (const auto& sequence : running_) {
    if (!sequence->done() && !sequence->paused && sequence->left() > 1) {
      prompts.push_back(sequence.get());
    }
  }
  std::ranges::stable_sort(
      prompts, {}, [&](const Sequence* sequence) { return share_.served(sequence->request.user); });
  int64_t budget = budget_.prefill_tokens(std::ssize(plan.streams));
  for (Sequence* sequence : prompts) {
    if (budget == 0) return;
    if (sequence->paused) continue;
    if (memory_.extend(*sequence) != SequenceMemory::Prefix::kReady) continue;
    const int64_t tokens = std::min(budget, sequence->left());
    if (!secure(*sequence, sequence->computed + tokens)) continue;
    memory_.announce(*sequence, sequence->computed + tokens);
    plan.prompts.push_back({sequence, tokens});
    budget -= tokens;
  }
}

// Reserves up to `end`, at the expense of younger sequences. False when there is no younger one:
// then this one waits.
bool Scheduler::secure(Sequence& sequence, int64_t end) {
  while (!memory_.reserve(sequence, sequence.computed, end)) {
    const auto youngest = std::find_if(running_.rbegin(), running_.rend(), [](const auto& other) {
      return !other->paused && !other->done();
    });
    pause(**youngest);
    if (youngest->get() == &sequence) return false;
  }
  return true;
}

void Scheduler::pause(Sequence& sequence) {
  if (sequence.in_prefill) prefill_.drop();  // its pages are wanted now
  memory_.release(sequence);
  sequence.paused = true;
  ++pauses_;
}

void Scheduler::requeue_paused() {
  for (size_t i = running_.size(); i-- > 0;) {
    if (!running_[i]->paused) continue;
    insert_by_arrival(waiting_, std::move(running_[i]));
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

std::vector<std::unique_ptr<Sequence>> Scheduler::take_finished() {
  Sequences finished;
  for (Sequences* list : {&running_, &waiting_}) {
    for (auto& sequence : *list) {
      if (!sequence->done()) continue;
      prefill_.forget(*sequence);
      memory_.release(*sequence);
      share_.leave(sequence->request.user);
      finished.push_back(std::move(sequence));
    }
    std::erase(*list, nullptr);
  }
  return finished;
}

}  // namespace fathom::engine
