#include "train/mpi_ranks.h"

#include <dlfcn.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <string>
#include <thread>

#include "base/error.h"
#include "mpi/plug.h"

namespace fathom::train {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPatience(400);  // mpirun kills a second after it asked
constexpr milliseconds kSpin(1);        // of polling at full speed; then with pauses

void check(const char* error) {
  if (error) fail(ErrorKind::kIo, "MPI: {}", error);
}

class MpiRanks final : public Ranks {
 public:
  MpiRanks(const FathomMpi& mpi, const std::atomic<bool>& stop) : mpi_(mpi), stop_(stop) {
    check(mpi_.open(&rank_, &size_));
  }
  // After an error the others may never come to the end: this process leaves alone, and mpirun
  // sees by its exit code that the run is over.
  ~MpiRanks() override {
    if (std::uncaught_exceptions() == 0) mpi_.close();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void exchange(std::span<const Bytes> send, std::span<const Bytes> receive) override {
    const auto others = [&](std::span<const Bytes> pieces) {
      std::vector<FathomMpiMessage> messages;
      for (int r = 0; r < size_; ++r) {
        if (r != rank_ && !pieces[r].empty())
          messages.push_back({r, pieces[r].data(), pieces[r].size()});
      }
      return messages;
    };
    const std::vector<FathomMpiMessage> out = others(send), in = others(receive);
    check(mpi_.start(out.data(), out.size(), in.data(), in.size()));
    if (!send[rank_].empty())
      std::memcpy(receive[rank_].data(), send[rank_].data(), send[rank_].size());
    wait();
  }

 private:
  void wait() {
    const auto begin = Clock::now();
    Clock::time_point stopped{};
    for (bool done = false;;) {
      check(mpi_.poll(&done));
      if (done) return;
      const auto now = Clock::now();
      if (now - begin < kSpin) continue;
      if (stop_) {
        if (stopped == Clock::time_point{}) stopped = now;
        if (now - stopped > kPatience) {
          fail(ErrorKind::kCancelled,
               "rank {} of {}: stopped while another rank did not answer; --resume goes on from "
               "the last saved step",
               rank_, size_);
        }
      }
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  const FathomMpi& mpi_;
  const std::atomic<bool>& stop_;
  int rank_ = 0, size_ = 1;
};

/// Ranks of this run, as Open MPI tells the processes that it starts; 1 without it.
int started_ranks() {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  return size ? std::max(1, std::atoi(size)) : 1;
}

const FathomMpi& load_plug() {
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::string tried;
  for (const auto& path : {folder / "fathom-mpi.so", folder / "../lib/fathom/fathom-mpi.so"}) {
    // Global, for Open MPI loads its own parts, which look for its symbols there.
    void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!module) {
      tried += fmt::format("{}{}", tried.empty() ? "" : "; ", dlerror());
      continue;
    }
    const auto entry = reinterpret_cast<decltype(&fathom_mpi)>(dlsym(module, "fathom_mpi"));
    if (entry && entry()->version == kFathomMpiVersion) return *entry();
    tried += fmt::format("{}{}: of another version", tried.empty() ? "" : "; ", path.string());
  }
  fail(ErrorKind::kUnsupported,
       "mpirun started {} ranks, but this fathom was built without MPI and knows one alone ({})",
       started_ranks(), tried);
}

}  // namespace

std::unique_ptr<Ranks> join_ranks(const std::atomic<bool>& stop) {
  if (started_ranks() == 1) return std::make_unique<SoleRank>();
  return std::make_unique<MpiRanks>(load_plug(), stop);
}

}  // namespace fathom::train
