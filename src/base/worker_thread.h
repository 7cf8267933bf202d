// Threads that leave the process's signals to the thread that started them.
#pragma once

#include <csignal>
#include <thread>
#include <utility>

namespace fathom {

/// Blocks every signal in this thread, and in those it starts, while it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// A thread that no signal reaches, from its first instruction. Whoever handles signals (a line
/// editor, a host program) may then think that it is alone with them.
template <typename Work>
std::thread worker_thread(Work&& work) {
  const SignalsBlocked blocked;
  return std::thread(std::forward<Work>(work));
}

}  // namespace fathom
