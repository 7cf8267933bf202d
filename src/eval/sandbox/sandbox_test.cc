// Hostile programs: each tries to hurt the machine, the harness, or to learn what it shouldn't. One
// that succeeds prints ESCAPED.
#include "eval/sandbox/sandbox.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "eval/sandbox/hostile_programs.h"
#include "eval/sandbox/process_tree.h"

namespace fathom::eval {
namespace {

using std::chrono::milliseconds;

// What the programs may not reach: a port and an abstract socket of this process, a file, a
// variable.
class HostSecrets {
 public:
  HostSecrets() {
    ::setenv("FATHOM_SANDBOX_SECRET", "ESCAPED-environment", 1);
    std::ofstream(file()) << "ESCAPED-file\n";
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(tcp_, reinterpret_cast<sockaddr*>(&address), size);
    ::listen(tcp_, 16);
    ::getsockname(tcp_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    local_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string text = abstract_name();
    text.copy(name.sun_path + 1, text.size());
    ::bind(local_, reinterpret_cast<sockaddr*>(&name),
           static_cast<socklen_t>(sizeof(sa_family_t) + 1 + text.size()));
    ::listen(local_, 16);
  }
  ~HostSecrets() {
    ::close(tcp_);
    ::close(local_);
    std::filesystem::remove(file());
    ::unsetenv("FATHOM_SANDBOX_SECRET");
  }

  static std::string file() {
    return (std::filesystem::temp_directory_path() /
            ("fathom-secret-" + std::to_string(::getpid())))
        .string();
  }
  static std::string abstract_name() { return "fathom-" + std::to_string(::getpid()); }

  int port = 0;

 private:
  int tcp_ = -1, local_ = -1;
};

std::string with_places(std::string source, const HostSecrets& secrets) {
  const std::pair<std::string, std::string> places[] = {
      {"@PORT@", std::to_string(secrets.port)},
      {"@FILE@", HostSecrets::file()},
      {"@ABSTRACT@", HostSecrets::abstract_name()},
      {"@PID@", std::to_string(::getpid())}};
  for (const auto& [place, value] : places) {
    for (size_t at; (at = source.find(place)) != std::string::npos;) {
      source.replace(at, place.size(), value);
    }
  }
  return source;
}

SandboxJob job_of(const HostileProgram& program, const HostSecrets& secrets) {
  SandboxJob job;
  job.command = program.is_shell ? std::vector<std::string>{"sh", "program"}
                                 : std::vector<std::string>{"python3", "-S", "program"};
  job.files = {{"program", with_places(program.source, secrets)}};
  job.limits.wall = milliseconds(program.must_be_stopped ? 1500 : 20000);
  job.limits.memory_bytes = uint64_t{256} << 20;
  job.limits.disk_bytes = uint64_t{8} << 20;
  job.limits.files = 2000;
  return job;
}

uint64_t available_memory() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  uint64_t kilobytes = 0;
  for (std::string unit; info >> name >> kilobytes;) {
    if (name == "MemAvailable:") return kilobytes << 10;
    std::getline(info, unit);
  }
  return 0;
}

// Processes of this machine that still carry the marker some of the programs leave in their
// arguments.
int survivors() {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    std::string line((std::istreambuf_iterator<char>(file)), {});
    found += line.find(kSurvivorMark) != std::string::npos;
  }
  return found;
}

TEST(SandboxTest, HostileProgramsLeaveEverythingUnharmed) {
  const HostSecrets secrets;
  const Sandbox sandbox;
  const auto& programs = hostile_programs();
  ASSERT_GE(programs.size(), 50u);
  const uint64_t before = available_memory();
  std::vector<SandboxResult> results(programs.size());
  std::vector<double> seconds(programs.size());
  std::atomic<size_t> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      for (size_t at; (at = next++) < programs.size();) {
        const auto started = std::chrono::steady_clock::now();
        results[at] = sandbox.run(job_of(programs[at], secrets));
        seconds[at] =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  for (size_t i = 0; i < programs.size(); ++i) {
    const std::string said = results[i].output + results[i].error;
    EXPECT_EQ(said.find("ESCAPED"), std::string::npos) << programs[i].name << ": " << said;
    EXPECT_LE(results[i].output.size(), size_t{1} << 20) << programs[i].name;
    EXPECT_LT(seconds[i], 30) << programs[i].name;
    if (programs[i].must_be_stopped) {
      EXPECT_NE(describe(results[i]), "ok") << programs[i].name;
    } else {
      EXPECT_EQ(describe(results[i]), "ok") << programs[i].name << ": " << said;
    }
  }
  for (int i = 0; i < 100 && survivors() > 0; ++i) std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(survivors(), 0);
  std::ifstream file(HostSecrets::file());
  std::string content;
  std::getline(file, content);
  EXPECT_EQ(content, "ESCAPED-file");
  // What other processes of the machine do meanwhile is left a wide margin.
  EXPECT_GT(available_memory() + (uint64_t{3} << 30), before);
}

TEST(SandboxTest, APlainProgramReadsWritesAndEnds) {
  const Sandbox sandbox;
  SandboxJob job;
  job.command = {"python3", "-c",
                 "import sys; open('note','w').write('x'); print(sys.stdin.read()[::-1]); "
                 "print('bad', file=sys.stderr); sys.exit(3)"};
  job.input = "abc";
  const SandboxResult result = sandbox.run(job);
  EXPECT_EQ(result.output, "cba\n");
  EXPECT_EQ(result.error, "bad\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(describe(result), "exit code 3");
}

TEST(SandboxTest, SaysWhichLimitWasMet) {
  const Sandbox sandbox;
  const auto run = [&](const std::string& source, const SandboxLimits& limits) {
    SandboxJob job;
    job.command = {"python3", "-c", source};
    job.limits = limits;
    return describe(sandbox.run(job));
  };
  SandboxLimits limits;
  limits.wall = milliseconds(800);
  EXPECT_EQ(run("while True: pass", limits), "time limit");
  limits.wall = milliseconds(20000);
  limits.cpu = milliseconds(500);
  EXPECT_EQ(run("while True: pass", limits), "time limit");
  EXPECT_EQ(run("import os\nwhile True: os.system('true')", limits), "time limit");
  EXPECT_EQ(run("import time; time.sleep(1)", limits), "ok") << "it waits for others";
  limits.cpu = milliseconds(0);
  limits.wall = milliseconds(10000);
  limits.memory_bytes = uint64_t{100} << 20;
  EXPECT_EQ(run("x = bytearray(200 << 20)\nwhile True: pass", limits), "memory limit");
  EXPECT_EQ(run("while True: print('x' * 9999)", limits), "output limit");
  EXPECT_EQ(run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", limits), "signal 11");
}

}  // namespace
}  // namespace fathom::eval
