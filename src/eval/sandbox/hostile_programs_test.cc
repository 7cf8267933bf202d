#include "eval/sandbox/hostile_programs.h"

namespace fathom::eval {
namespace {

// A call that must fail; on success it says so.
std::string refused(const std::string& statement) {
  return "import os, socket, ctypes, resource, sys, glob\nlibc = ctypes.CDLL(None, "
         "use_errno=True)\n"
         "try:\n    ok = " +
         statement +
         "\nexcept (OSError, ValueError, KeyError):\n    ok = False\n"
         "if ok and ok != -1:\n    print('ESCAPED', ok)\n";
}

std::string refused_call(int number, const std::string& arguments) {
  return refused("libc.syscall(" + std::to_string(number) + ", " + arguments + ") != -1");
}

}  // namespace

const std::vector<HostileProgram>& hostile_programs() {
  constexpr bool kStopped = true, kShell = true;
  static const std::vector<HostileProgram> all = {
      // Too many processes.
      {"fork bomb", "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", kStopped},
      {"shell fork bomb", "b() { b | b & }; b; while :; do :; done", kStopped, kShell},
      {"thread bomb",
       "import threading, time\nwhile True:\n  try: threading.Thread(target=time.sleep, "
       "args=(99,)).start()\n  except RuntimeError: pass",
       kStopped},
      {"fork from a thread",
       "import os, threading, time\ndef f():\n  while True:\n    try:\n      if os.fork() == 0:\n  "
       "     "
       " x = bytearray(40 << 20); time.sleep(99)\n    except OSError: "
       "pass\nthreading.Thread(target=f).start()",
       kStopped},
      {"daemon that outlives its parent",
       "import os\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    os.execvp('sleep', "
       "['sleep', '98765.4321'])\n  os._exit(0)"},
      {"nohup", "nohup sleep 98765.4321 >/dev/null 2>&1 & exit 0", false, kShell},
      {"closed streams, running on",
       "import os\nos.close(0); os.close(1); os.close(2)\nwhile True: pass", kStopped},
      // Memory.
      {"one huge block", "x = b'x' * (8 << 30)", kStopped},
      {"memory bit by bit", "x = []\nwhile True: x.append(bytearray(b'x' * (4 << 20)))", kStopped},
      {"memory in many processes",
       "import os, time\nfor i in range(20):\n  if os.fork() == 0:\n    x = bytearray(b'x' * (60 "
       "<< "
       "20)); time.sleep(99)\ntime.sleep(99)",
       kStopped},
      {"shared mappings",
       "import mmap\nx = []\nwhile True:\n  m = mmap.mmap(-1, 16 << 20); m.write(b'x' * (16 << "
       "20)); "
       "x.append(m)",
       kStopped},
      {"endless recursion", "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
       kStopped},
      {"memfd", refused("os.memfd_create('x')")},
      {"System V shared memory", refused_call(29, "0, 1 << 30, 0o1666")},
      {"message queues", refused_call(68, "1, 0o1666")},
      {"io_uring", refused_call(425, "8, ctypes.create_string_buffer(256)")},
      {"locked memory",
       "import ctypes, mmap\nm = mmap.mmap(-1, 32 << 20)\nb = (ctypes.c_char * (32 << "
       "20)).from_buffer(m)\nif ctypes.CDLL(None).mlock(b, 32 << 20) == 0: print('ESCAPED')"},
      // Disk.
      {"fill /tmp", "f = open('/tmp/x', 'wb')\nwhile True: f.write(b'x' * 65536)", kStopped},
      {"fill /box", "i = 0\nwhile True:\n  open(f'/box/{i}', 'wb').write(b'x' * (1 << 20)); i += 1",
       kStopped},
      {"fill /dev/shm", "f = open('/dev/shm/x', 'wb')\nwhile True: f.write(b'x' * 65536)",
       kStopped},
      {"fill /dev", refused("open('/dev/x', 'wb')")},
      {"endless empty files", "i = 0\nwhile True:\n  open(f'/tmp/{i}', 'w').close(); i += 1",
       kStopped},
      {"a sparse terabyte", "open('/tmp/x', 'wb').truncate(1 << 40)", kStopped},
      {"write to /usr", refused("open('/usr/bin/x', 'w')")},
      {"write to /", refused("open('/x', 'w')")},
      {"overwrite a program", refused("open('/usr/bin/env', 'r+b')")},
      {"remove a program", refused("os.remove('/usr/bin/env') is None")},
      {"remove everything",
       "rm -rf --no-preserve-root /usr/bin /etc /dev /box 2>/dev/null; [ -x /usr/bin/env ] || echo "
       "ESCAPED; exit 0",
       false, kShell},
      // Reading the host.
      {"passwords", refused("open('/etc/shadow').read()")},
      {"users", refused("open('/etc/passwd').read()")},
      {"home directories", refused("os.listdir('/root')")},
      {"a file of the host", refused("open('@FILE@').read()")},
      {"the harness's environment",
       "import glob\nfor f in glob.glob('/proc/*/environ'):\n  try: d = open(f, "
       "'rb').read()\n  except OSError: continue\n  if b'SANDBOX_SECRET' in d: print(d)"},
      {"its own environment", refused("os.environ['FATHOM_SANDBOX_SECRET']")},
      {"processes of the host",
       "import glob\nfor f in glob.glob('/proc/[0-9]*/cmdline'):\n  try:\n    if b'eval_test' in "
       "open(f, 'rb').read(): print('ESCAPED', f)\n  except OSError: pass"},
      {"open files of the harness",
       "import os, glob\nfor f in glob.glob('/proc/self/fd/*'):\n  try: t = os.readlink(f)\n  "
       "except "
       "OSError: continue\n  if t.startswith('/') and not t.startswith(('/box', '/dev', '/proc', "
       "'/usr', '/memfd')): print('ESCAPED', t)"},
      {"kernel memory", refused("open('/proc/kcore', 'rb').read(16)")},
      {"raw devices", refused("[open(p, 'rb') for p in ('/dev/mem', '/dev/vda')]")},
      {"kernel log", refused_call(103, "3, ctypes.create_string_buffer(4096), 4096")},
      // Signals and other processes.
      {"kill everything", "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass"},
      {"kill the harness", refused("os.kill(@PID@, 9) is None")},
      {"kill the parent", "import os\nos.kill(os.getppid(), 9)"},
      {"kill the first process", "import os\nos.kill(1, 9)"},
      {"ignore every signal",
       "import signal\nfor s in range(1, 65):\n  try: signal.signal(s, signal.SIG_IGN)\n  except "
       "(OSError, ValueError): pass\nwhile True: pass",
       kStopped},
      {"trace the first process", refused_call(101, "16, 1, 0, 0")},
      {"read the first process's memory", refused("open('/proc/1/mem', 'rb').read(1)")},
      {"type into the terminal",
       refused("__import__('fcntl').ioctl(os.open('/dev/tty', os.O_RDWR), 0x5412, b'x') == 0")},
      // Network.
      {"a port of the host", refused("socket.create_connection(('127.0.0.1', @PORT@), 1)")},
      {"the internet", refused("socket.create_connection(('1.1.1.1', 53), 1)")},
      {"name service",
       refused("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('8.8.8.8', 53))")},
      {"an abstract socket of the host",
       refused("socket.socket(socket.AF_UNIX).connect('\\0@ABSTRACT@') is None")},
      {"raw sockets", refused("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)")},
      // Privileges and the kernel.
      {"become root", refused("os.setuid(0) is None")},
      {"set-user-id programs",
       "su -c 'echo ESCAPED' </dev/null 2>/dev/null; mount -t tmpfs x /tmp 2>/dev/null && echo "
       "ESCAPED; exit 0",
       false, kShell},
      {"a user namespace", refused("libc.unshare(0x10000000) == 0")},
      {"a user namespace by clone", refused_call(56, "0x10000011, 0, 0, 0, 0")},
      {"mount", refused("libc.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0")},
      {"chroot", refused("os.chroot('/tmp') is None")},
      {"reboot", refused_call(169, "0xfee1dead, 672274793, 0x1234567, 0")},
      {"set the clock", refused("__import__('time').clock_settime(0, 0) is None")},
      {"set the host's name", refused("socket.sethostname('x') is None")},
      {"write kernel settings", refused("open('/proc/sys/kernel/core_pattern', 'w')")},
      {"the SysRq key", refused("open('/proc/sysrq-trigger', 'w').write('c')")},
      {"load BPF", refused_call(321, "5, ctypes.create_string_buffer(128), 128")},
      {"kernel keyring", refused_call(248, "b'user', b'x', b'y', 1, -3")},
      {"real-time priority", refused("os.sched_setscheduler(0, 1, os.sched_param(50)) is None")},
      {"raise its limits",
       refused("resource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999)) is None")},
      // Floods and hangs.
      {"flood of output", "while True: print('x' * 4096)", kStopped},
      {"flood of errors", "yes >&2", kStopped, kShell},
      {"sleep for ever", "import time\nprint('soon')\ntime.sleep(10**6)", kStopped},
      {"spin for ever", "while True: pass", kStopped},
      {"open files without end", "x = []\nwhile True: x.append(open('/dev/null'))", kStopped},
  };
  return all;
}

}  // namespace fathom::eval
