#!/usr/bin/env python3
"""The API under load: what the server itself costs, with the model's part taken out or told apart.

    bench/api_load.py FATHOM SCRIPTED_SERVER [DIR] [--streams N] [--slow N] [--rounds N]
                      [--tokens N ...]

SCRIPTED_SERVER (tests/e2e/api) has an engine that costs nothing, so it shows the server alone: the
memory of a stream that waits, how late a token comes while N streams run, and a healthy client's
latency beside clients that do not read or do not finish their requests. `fathom serve DIR` shows
the server's share of the processor time beside a model. Every request has a key and is charged.
"""
import argparse
import asyncio
import json
import multiprocessing
import os
import re
import resource
import socket
import statistics
import subprocess
import tempfile
import time

WORKERS = 4  # of api::ServerOptions


class Server:
    def __init__(self, arguments, command):
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = self.folder.name + "/ledger.db"
        run = lambda *words: subprocess.run([arguments.fathom, *words, "--ledger", self.ledger],
                                            check=True, capture_output=True, text=True).stdout
        run("account", "create", "load")
        run("account", "topup", "load", "1000000")
        self.key = run("keys", "create", "--account", "load", "--name", "load").strip()
        self.process = subprocess.Popen([*command(self.ledger)], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if " at http://" in line:
                host, port = line.split(" at http://")[1].strip().split(":")
                self.address = (host, int(port))
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def seconds(self):
        """Processor time by thread."""
        times = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            times[int(task)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return times

    def settle(self):
        """Waits until it has nothing to compute."""
        spent = sum(self.seconds().values())
        for _ in range(60):
            time.sleep(1)
            before, spent = spent, sum(self.seconds().values())
            if spent - before < 0.1:
                break

    def own_share(self, before):
        """The thread of the connections and the workers, which are the last to start."""
        spent = {task: time - before.get(task, 0) for task, time in self.seconds().items()}
        own = [self.process.pid, *sorted(spent)[-WORKERS:]]
        return sum(spent[task] for task in set(own)), sum(spent.values())

    def request(self, text, **more):
        body = json.dumps({"model": "deepseek-chat", "stream": True,
                           "stream_options": {"include_usage": True},
                           "messages": [{"role": "user", "content": text}], **more})
        return (f"POST /chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                f"{self.key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                f"\r\n\r\n{body}").encode()


class Stream(asyncio.Protocol):
    """One request whose answer is counted, not kept."""

    def __init__(self, request):
        self.request = request
        self.done = asyncio.get_running_loop().create_future()
        self.head = b""
        self.tail = b""
        self.arrivals = []
        self.began = time.perf_counter()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data):
        if len(self.head) < 16:
            self.head += data[:16]
        if b'"content":"' in data:
            self.arrivals.append(time.perf_counter())
        self.tail = (self.tail + data)[-1024:]
        if b"[DONE]" in self.tail:
            self.finish(self.head.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, _):
        self.finish(False)

    def tokens(self):
        found = re.search(rb'"completion_tokens":(\d+)', self.tail)
        return int(found[1]) if found else 0

    def finish(self, good):
        if not self.done.done():
            self.done.set_result(good)
            self.transport.close()


async def open_streams(address, request, count):
    """At most 200 that are not connected yet."""
    gate = asyncio.Semaphore(200)

    async def one():
        async with gate:
            _, stream = await asyncio.get_running_loop().create_connection(
                lambda: Stream(request), *address)
            return stream

    return await asyncio.gather(*(one() for _ in range(count)))


async def probe(address, request, count):
    """Seconds of whole answers, one after another."""
    times = []
    for _ in range(count):
        stream, = await open_streams(address, request, 1)
        assert await stream.done, "the healthy client failed"
        times.append(time.perf_counter() - stream.began)
    return times


def in_background(work, *arguments):
    """Runs it in another process, so that it does not delay what is measured here."""
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=lambda: asyncio.run(work(ready, *arguments)))
    process.start()
    ready.wait()
    return process


async def keep_streaming(ready, address, request, count):
    streams = await open_streams(address, request, count)
    ready.set()
    good = await asyncio.gather(*(stream.done for stream in streams))
    print(f"  {count} streams beside it: {good.count(False)} errors")


def idle_memory(arguments, server):
    before = server.resident()
    waiting = in_background(keep_streaming, server.address, server.request("[[wait 15000]]x"),
                            arguments.streams)
    time.sleep(4)
    grown = server.resident() - before
    print(f"memory of a stream that waits: {grown / arguments.streams / 1e3:.1f} kB")
    waiting.join()


def lateness(arguments, server):
    """How much later than the earliest of a steady stream's tokens the others come."""
    pace = 0.1
    text = "[[slow 100]]" + "x" * 60
    before = server.seconds()
    load = in_background(keep_streaming, server.address, server.request(text), arguments.streams)
    stream, = asyncio.run(alone(server.address, server.request("[[slow 100]]" + "y" * 40)))
    offsets = [at - pace * i for i, at in enumerate(stream.arrivals)]
    late = sorted(1e3 * (offset - min(offsets)) for offset in offsets)
    load.join()
    own, _ = server.own_share(before)
    tokens = arguments.streams * 60
    print(f"lateness of a token among {arguments.streams} streams: median "
          f"{statistics.median(late):.2f} ms, 95% {late[int(len(late) * 0.95)]:.2f} ms; "
          f"{1e6 * own / tokens:.1f} us of processor a token")


async def alone(address, request):
    streams = await open_streams(address, request, 1)
    await streams[0].done
    return streams


def hold_open(server, count, data):
    """Connections that nothing is read from, of segments so small that the kernel keeps little."""
    sockets = []
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        sock.connect(server.address)
        sock.sendall(data)
        sockets.append(sock)
    return sockets


def median_ms(server, count=500):
    times = asyncio.run(probe(server.address, server.request("hello"), count))
    return 1e3 * statistics.median(times)


def slow_clients(arguments, server):
    """A healthy client before them, beside them and after them, in turn. They sleep meanwhile."""
    answer = server.request("x" * 400)  # more than the kernel takes
    without, beside, memory = [median_ms(server)], [], []
    for _ in range(arguments.rounds):
        before = server.resident()
        # A request's header has 15 seconds and its body 60, so the former come last.
        slow = hold_open(server, arguments.slow, answer)
        slow += hold_open(server, arguments.slow // 2, answer[:-100])
        server.settle()
        slow += hold_open(server, arguments.slow // 2, answer[:100])
        time.sleep(1)
        beside.append(median_ms(server))
        memory.append(server.resident() - before)
        for sock in slow:
            sock.close()
        server.settle()
        without.append(median_ms(server))
    more = [100 * (ms / statistics.mean(without[i:i + 2]) - 1) for i, ms in enumerate(beside)]
    row = lambda values: " ".join(f"{value:.2f}" for value in values)
    print(f"a healthy client: {statistics.median(without):.2f} ms at the median of rounds "
          f"({row(without)}); beside {arguments.slow} that do not read and {arguments.slow} half "
          f"requests {statistics.median(beside):.2f} ms ({row(beside)}), "
          f"{statistics.median(more):+.0f}% at the median of "
          f"{' '.join(f'{percent:+.0f}' for percent in more)}; "
          f"{max(memory) / 1e6:.0f} MB more")


async def run_model(server, request, count):
    streams = await open_streams(server.address, request, count)
    good = await asyncio.gather(*(stream.done for stream in streams))
    firsts = [stream.arrivals[0] - stream.began for stream in streams if stream.arrivals]
    return good.count(False), firsts, sum(stream.tokens() for stream in streams)


def model(arguments, server, tokens, running):
    before, memory = server.seconds(), server.resident()
    began = time.perf_counter()
    request = server.request("Once upon a time", max_tokens=tokens, temperature=1)
    errors, firsts, count = asyncio.run(run_model(server, request, arguments.streams))
    seconds = time.perf_counter() - began
    own, everything = server.own_share(before)
    print(f"{arguments.streams} streams of up to {tokens} tokens from a model, {running} computed "
          f"at a time: {errors} errors, {count} tokens, "
          f"{count / seconds:.0f} tokens/s, first token after {statistics.median(firsts):.2f} s at "
          f"the median; the server itself {own:.2f} of {everything:.2f} s of processor time, "
          f"{100 * own / everything:.1f}%, {1e6 * own / max(count, 1):.1f} us a token; "
          f"{(server.resident() - memory) / 1e6:.0f} MB more")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("fathom")
    parser.add_argument("scripted")
    parser.add_argument("dir", nargs="?")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--slow", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=6, help="with and without the slow ones")
    parser.add_argument("--tokens", type=int, nargs="+", default=[64, 256], help="of a stream")
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Server(arguments, lambda ledger: [arguments.scripted, ledger]) as server:
        idle_memory(arguments, server)
        lateness(arguments, server)
        slow_clients(arguments, server)
    directory = [arguments.dir] if arguments.dir else []
    for running in [64, arguments.streams]:  # the default, and all of them
        command = lambda ledger: [arguments.fathom, "serve", *directory, "--ledger", ledger,
                                  "--port", "0", "--no-disk-cache", "--max-waiting", "5000",
                                  "--max-running", str(running)]
        with Server(arguments, command) as server:
            for tokens in arguments.tokens:
                model(arguments, server, tokens, running)


if __name__ == "__main__":
    main()
