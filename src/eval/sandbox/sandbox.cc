#include "eval/sandbox/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "eval/sandbox/process_tree.h"
#include "eval/sandbox/seccomp_filter.h"

namespace fathom::eval {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTick = std::chrono::milliseconds(10);

// Users that no system gives out, one for each box that runs at the same time, so that the kernel's
// count of a user's processes is the box's own.
constexpr uid_t kFirstUser = 0x70000000;
constexpr uid_t kUsers = 0x10000;
std::atomic<uid_t> next_user = 0;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    return *this;
  }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

[[noreturn]] void system_failed(const char* what) {
  fail(ErrorKind::kIo, "sandbox: {}: {}", what, std::strerror(errno));
}

// An unnamed file that holds `content`, read from its start.
Descriptor memory_file(const char* name, std::string_view content) {
  Descriptor file(::memfd_create(name, MFD_CLOEXEC));
  if (file.get() < 0) system_failed("memfd_create");
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written < 0) system_failed("write");
    content.remove_prefix(static_cast<size_t>(written));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

// Reads what a pipe holds, keeping no more than the limit.
struct Capture {
  Descriptor from;
  std::string kept;
  bool over = false;
  bool open = true;

  void drain(uint64_t limit) {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::read(from.get(), buffer, sizeof buffer);
      if (got == 0) open = false;
      if (got <= 0) return;
      const size_t room = static_cast<size_t>(limit) - kept.size();
      kept.append(buffer, std::min(room, static_cast<size_t>(got)));
      if (static_cast<size_t>(got) > room) {
        over = true;
        return;
      }
    }
  }
};

std::vector<std::string> system_mounts() {
  std::vector<std::string> args = {"--ro-bind", "/usr", "/usr"};
  for (const char* name : {"bin", "sbin", "lib", "lib32", "lib64"}) {
    const std::string path = std::string("/") + name;
    char target[256];
    const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
    if (size > 0) {
      args.insert(args.end(), {"--symlink", std::string(target, static_cast<size_t>(size)), path});
    } else if (::access(path.c_str(), F_OK) == 0) {
      args.insert(args.end(), {"--ro-bind", path, path});
    }
  }
  // Which of several compilers or interpreters a name stands for.
  args.insert(args.end(), {"--ro-bind-try", "/etc/alternatives", "/etc/alternatives"});
  return args;
}

// bubblewrap's command line, and the files that it reads while it starts.
struct Launch {
  std::vector<std::string> args;
  std::vector<Descriptor> files;

  void add(std::initializer_list<std::string> more) { args.insert(args.end(), more); }

  explicit Launch(const SandboxJob& job) {
    const SandboxLimits& limits = job.limits;
    const std::string disk = std::to_string(limits.disk_bytes);
    add({"bwrap",
         "--unshare-user",
         "--unshare-ipc",
         "--unshare-pid",
         "--unshare-net",
         "--unshare-uts",
         "--unshare-cgroup-try",
         "--disable-userns",
         "--die-with-parent",
         "--new-session",
         "--hostname",
         "box",
         "--uid",
         "65534",
         "--gid",
         "65534",
         "--cap-drop",
         "ALL",
         "--clearenv",
         "--setenv",
         "PATH",
         "/usr/bin:/bin",
         "--setenv",
         "HOME",
         "/box",
         "--setenv",
         "LANG",
         "C.UTF-8",
         "--setenv",
         "PYTHONDONTWRITEBYTECODE",
         "1"});
    const auto mounts = system_mounts();
    args.insert(args.end(), mounts.begin(), mounts.end());
    add({"--proc", "/proc", "--dev", "/dev", "--size", disk, "--tmpfs", "/dev/shm", "--remount-ro",
         "/dev", "--size", disk, "--tmpfs", "/tmp", "--size", disk, "--tmpfs", "/box"});
    for (const SandboxFile& file : job.files) {
      files.push_back(memory_file("file", file.content));
      add({"--perms", file.executable ? "0755" : "0644", "--file",
           std::to_string(files.back().get()), "/box/" + file.name});
    }
    files.push_back(memory_file("seccomp", seccomp_filter()));
    add({"--seccomp", std::to_string(files.back().get())});
    add({"--remount-ro", "/", "--chdir", "/box", "--", "/usr/bin/prlimit",
         fmt::format("--nproc={}", limits.processes),
         fmt::format("--as={}", limits.memory_bytes + (uint64_t{1} << 30)),
         fmt::format("--fsize={}", limits.disk_bytes),
         fmt::format("--cpu={}", limits.wall / std::chrono::seconds(1) + 2), "--nofile=128",
         "--core=0", "--memlock=0", "--msgqueue=0", "--"});
    args.insert(args.end(), job.command.begin(), job.command.end());
  }
};

struct Pipe {
  Descriptor read, write;
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) system_failed("pipe");
    read = Descriptor(ends[0]);
    write = Descriptor(ends[1]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  }
};

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(const Launch& launch, char* const* argv, uid_t user, int in, int out,
                         int err) {
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  // Nothing else that this process has open: not a socket, a journal, another box's pipe.
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) ::_exit(126);
  for (const Descriptor& file : launch.files) ::fcntl(file.get(), F_SETFD, 0);
  if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 ||
                           ::setresuid(user, user, user) != 0)) {
    ::_exit(126);
  }
  ::nice(5);
  // Its first process stays readable in the box's /proc, so it gets no environment of ours.
  char* const no_environment[] = {nullptr};
  ::execvpe("bwrap", argv, no_environment);
  ::_exit(127);
}

// One box, from fork to the last process's end.
class Box {
 public:
  explicit Box(const SandboxJob& job) : limits_(job.limits), started_(Clock::now()) {
    const Launch launch(job);
    const Descriptor input = memory_file("stdin", job.input);
    Pipe out, err;
    std::vector<char*> argv;
    for (const std::string& arg : launch.args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    const uid_t user = kFirstUser + next_user++ % kUsers;
    pid_ = ::fork();
    if (pid_ < 0) system_failed("fork");
    if (pid_ == 0) {
      become(launch, argv.data(), user, input.get(), out.write.get(), err.write.get());
    }
    out_.from = std::move(out.read);
    err_.from = std::move(err.read);
  }

  ~Box() {
    if (pid_ > 0) end();
  }

  SandboxResult wait() {
    SandboxResult result;
    int status = 0;
    for (;;) {
      poll_output();
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = 0;
        break;
      }
      if (const auto end_reason = over_limit()) {
        result.end = *end_reason;
        end();
        break;
      }
    }
    out_.drain(limits_.output_bytes);
    err_.drain(limits_.output_bytes);
    if (result.end == SandboxEnd::kExited) {
      result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (out_.over || err_.over) result.end = SandboxEnd::kOutputLimit;
    }
    result.output = std::move(out_.kept);
    result.error = std::move(err_.kept);
    return result;
  }

 private:
  void poll_output() {
    // A stream at its end would be ready for ever.
    pollfd ends[] = {{out_.open ? out_.from.get() : -1, POLLIN, 0},
                     {err_.open ? err_.from.get() : -1, POLLIN, 0}};
    ::poll(ends, 2, static_cast<int>(kTick.count()));
    out_.drain(limits_.output_bytes);
    err_.drain(limits_.output_bytes);
  }

  std::optional<SandboxEnd> over_limit() {
    if (Clock::now() - started_ > limits_.wall) return SandboxEnd::kTimeLimit;
    if (out_.over || err_.over) return SandboxEnd::kOutputLimit;
    if (Clock::now() - looked_ < kTick) return std::nullopt;
    looked_ = Clock::now();
    const ProcessTree tree(pid_);
    if (limits_.cpu.count() > 0 && tree.cpu_time() > limits_.cpu) return SandboxEnd::kTimeLimit;
    if (tree.resident_bytes() > limits_.memory_bytes) return SandboxEnd::kMemoryLimit;
    if (tree.processes().size() > 1 && too_many_files(tree.processes()[1])) {
      return SandboxEnd::kFileLimit;
    }
    return std::nullopt;
  }

  // Looks through the box's own root; where the system doesn't let us, the sizes alone bound it.
  bool too_many_files(pid_t inside) const {
    for (const char* folder : {"box", "tmp", "dev/shm"}) {
      struct statvfs info;
      const std::string path = fmt::format("/proc/{}/root/{}", inside, folder);
      if (::statvfs(path.c_str(), &info) == 0 && info.f_files - info.f_ffree > limits_.files &&
          info.f_files != 0 && is_memory_folder(info)) {
        return true;
      }
    }
    return false;
  }

  // Before the box is set up, that path still leads to the host's disk.
  bool is_memory_folder(const struct statvfs& info) const {
    return info.f_blocks * info.f_frsize <= limits_.disk_bytes + 65536;
  }

  // The first process of the namespace takes all others with it.
  void end() {
    const ProcessTree tree(pid_);
    ::kill(pid_, SIGKILL);
    for (const pid_t process : tree.processes()) ::kill(process, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
    // Its pipes close when the last one is gone.
    const auto patience = Clock::now() + std::chrono::seconds(5);
    while ((out_.open || err_.open) && Clock::now() < patience) poll_output();
  }

  const SandboxLimits& limits_;
  Clock::time_point started_, looked_{};
  pid_t pid_ = 0;
  Capture out_, err_;
};

}  // namespace

std::string describe(const SandboxResult& result) {
  switch (result.end) {
    case SandboxEnd::kExited:
      if (result.exit_code == 0) return "ok";
      if (result.exit_code > 128) return fmt::format("signal {}", result.exit_code - 128);
      return fmt::format("exit code {}", result.exit_code);
    case SandboxEnd::kTimeLimit:
      return "time limit";
    case SandboxEnd::kMemoryLimit:
      return "memory limit";
    case SandboxEnd::kOutputLimit:
      return "output limit";
    case SandboxEnd::kFileLimit:
      return "file limit";
  }
  return "";
}

Sandbox::Sandbox() {
  SandboxJob probe;
  probe.command = {"true"};
  const SandboxResult result = run(probe);
  if (result.end == SandboxEnd::kExited && result.exit_code == 0) return;
  std::string said = result.error.substr(0, result.error.find('\n'));
  if (result.exit_code == 127 && said.empty()) said = "the program bwrap is not installed";
  fail(ErrorKind::kUnsupported,
       "no sandbox: {} ({}); this task runs programs that a model wrote, and does so only in a box "
       "made by bubblewrap",
       said, describe(result));
}

SandboxResult Sandbox::run(const SandboxJob& job) const { return Box(job).wait(); }

}  // namespace fathom::eval
