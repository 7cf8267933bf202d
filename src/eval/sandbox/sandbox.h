// Runs a program that nobody vouches for, in a box made by bubblewrap: no network, no files but its
// own and the system's programs, bounded time, memory, processes, disk and output.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace fathom::eval {

struct SandboxLimits {
  std::chrono::milliseconds wall{10000};
  /// Of the processor, in all processes together: the same on a machine with much else to do. 0: as
  /// much as there is in `wall`.
  std::chrono::milliseconds cpu{0};
  uint64_t memory_bytes = uint64_t{1} << 30;  ///< resident in all processes together
  int processes = 32;                         ///< threads count
  uint64_t disk_bytes = uint64_t{32} << 20;   ///< in each of /box, /tmp and /dev/shm; all in memory
  uint64_t files = 20000;                     ///< names in each of them
  uint64_t output_bytes = uint64_t{1} << 20;  ///< of stdout and stderr each
};

struct SandboxFile {
  std::string name;  ///< without a folder; lies in /box, where the program starts
  std::string content;
  bool executable = false;
};

struct SandboxJob {
  std::vector<std::string> command;  ///< found in /usr/bin and /bin
  std::vector<SandboxFile> files;
  std::string input;  ///< stdin
  SandboxLimits limits;
};

enum class SandboxEnd {
  kExited,  ///< by itself; see exit_code
  kTimeLimit,
  kMemoryLimit,
  kOutputLimit,
  kFileLimit,
};

struct SandboxResult {
  SandboxEnd end = SandboxEnd::kExited;
  int exit_code = 0;          ///< 128 + n where signal n ended it
  std::string output, error;  ///< at most output_bytes each, bytes as they came
};

/// "ok", "exit code 1", "time limit" and so on.
std::string describe(const SandboxResult& result);

/// What holds it in:
/// - namespaces of its own for users, processes, network (not even a loopback that is up), IPC,
/// host
///   name and mounts; no further user namespace can be made. It runs as nobody, with no capability
///   and no way to gain one.
/// - a root of /usr, read-only, plus in-memory /box, /tmp and /dev/shm of bounded size.
/// - a seccomp filter that refuses memory outside any account (memfd, System V, io_uring), kernel
///   keyrings, tracing and mounting.
/// - rlimits on address space, file size, open files and CPU time, and on processes, which the
/// kernel
///   counts in the namespace alone; where we are root, the box runs as a user of its own first,
///   since the kernel exempts root.
/// - a watch, every 10 ms, over wall clock, processor time, resident memory, output and number of
/// files. When the
///   watch or the program ends, the namespace's first process is killed, and with it every other.
/// What it does not do: hide the machine's name of CPU and memory in /proc, or share CPU time
/// fairly.
///
/// All methods are safe from any number of threads.
class Sandbox {
 public:
  /// Tries the box out once. Throws Error(kUnsupported) that says what bubblewrap said where it is
  /// missing or the system refuses namespaces: nothing runs outside a box.
  Sandbox();

  /// Throws Error(kIo | kResource) where the harness itself fails, never for what the program does.
  SandboxResult run(const SandboxJob& job) const;
};

}  // namespace fathom::eval
