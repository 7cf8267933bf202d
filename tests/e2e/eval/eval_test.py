"""fathom eval through the built program: killed and resumed runs, a server that fails, perplexity.

    eval_test.py PROGRAM SOURCE_DIR
"""
import csv
import http.server
import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM, SOURCE = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()


def run(*args, **more):
    return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, **more)


class Server:
    """Answers the option that stands in the question; counts how often it was asked what."""

    def __init__(self, delay=0.0, fails=0.0):
        self.asked, self.lock, self.rng = {}, threading.Lock(), random.Random(1)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.answer(self, body["messages"][-1]["content"], delay, fails)

            def log_message(self, *args):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def answer(self, request, prompt, delay, fails):
        number = prompt.split("number ")[1].split("?")[0]
        with self.lock:
            roll = self.rng.random()
            if roll >= fails:
                self.asked[number] = self.asked.get(number, 0) + 1
        time.sleep(delay)
        status, text = 200, f"It is plain.\nAnswer: {'ABCD'[int(number) % 5 % 4]}"
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text},
                                        "finish_reason": "stop"}]})
        if roll < fails:
            status, body = (503, "{}") if roll < fails / 2 else (200, "<p>nonsense</p>")
        try:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body.encode())
        except OSError:
            pass  # whoever asked is gone

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Workspace(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="fathom-eval-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def serve(self, **behaviour):
        server = Server(**behaviour)
        self.addCleanup(server.close)
        return server

    def questions(self, count):
        path = self.dir / "mmlu.csv"
        with open(path, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Question", "A", "B", "C", "D", "Answer", "Subject"])
            for i in range(count):
                writer.writerow([f"What is number {i}?", "a", "b", "c", "d", "ABCD"[i % 5 % 4], "s"])
        return path

    def command(self, server, data, out, *more):
        return ["eval", "mmlu", "--data", data, "--api", server.url, "--model-name", "mock",
                "--out", self.dir / out, "--concurrency", 8, *more]


class Scorers(unittest.TestCase):
    def test_every_golden_line(self):
        def same(a, b):
            if isinstance(a, dict):
                return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
            if isinstance(a, list):
                return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
            if isinstance(a, float) and isinstance(b, (int, float)):
                return math.isclose(a, b, rel_tol=1e-12)
            return a == b

        lines = 0
        for path in sorted((SOURCE / "tests/golden/eval").glob("*.jsonl")):
            text = path.read_bytes()
            result = subprocess.run([PROGRAM, "eval", "score"], input=text, capture_output=True)
            self.assertEqual(result.returncode, 0, result.stderr)
            before, after = text.split(b"\n"), result.stdout.split(b"\n")
            self.assertEqual(len(before), len(after), path)
            for asked, answered in zip(before[:-1], after[:-1]):
                line = json.loads(answered)
                self.assertTrue(same(line["expected"], line["got"]), answered)
                del line["got"]
                self.assertEqual(line, json.loads(asked))
                lines += 1
        self.assertEqual(lines, 1057)


class EmbeddedModel(Workspace):
    MODEL = SOURCE / "models/fathom-10m"

    def some_items(self):
        """Five of each task."""
        path, taken = self.dir / "items.jsonl", {}
        with open(path, "w") as file:
            for line in (self.MODEL / "capabilities.jsonl").read_text().splitlines():
                task = json.loads(line)["task"]
                taken[task] = taken.get(task, 0) + 1
                if taken[task] <= 5:
                    file.write(line + "\n")
        self.assertEqual(len(taken), 18)
        return path

    def served(self):
        server = subprocess.Popen([PROGRAM, "serve", self.MODEL, "--port", "0", "--no-disk-cache",
                                   "--ledger", self.dir / "ledger.db"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        self.addCleanup(server.stdout.close)
        for line in server.stdout:
            if "http://" in line:
                return "http://" + line.split("http://")[1].split()[0]
        self.fail("the server did not say where it is")

    def answers(self, out):
        results = json.loads((self.dir / out / "results.json").read_text())
        return results["score"], {i["id"]: (i["score"], i["answer"]) for i in results["items"]}

    def test_the_same_score_from_a_directory_and_over_http(self):
        command = ["eval", "capabilities", "--data", self.some_items()]
        here = run(*command, self.MODEL, "--out", self.dir / "here")
        self.assertEqual(here.returncode, 0, here.stderr)
        there = run(*command, "--api", self.served(), "--model-name", "deepseek-chat",
                    "--out", self.dir / "there")
        self.assertEqual(there.returncode, 0, there.stderr)
        score, items = self.answers("here")
        self.assertEqual((score, items), self.answers("there"))
        self.assertEqual(len(items), 90)
        print(f"{score:.3f} of 90 items, in the directory and over HTTP")
        self.assertGreater(score, 0.9)

    def test_what_its_card_says_it_can(self):
        done = run("eval", "capabilities", "--data", self.MODEL / "capabilities.jsonl", self.MODEL,
                   "--out", self.dir / "all")
        self.assertEqual(done.returncode, 0, done.stderr)
        right, asked = {}, {}
        for item in json.loads((self.dir / "all/results.json").read_text())["items"]:
            task = item["groups"]["task"]
            right[task] = right.get(task, 0) + item["score"]
            asked[task] = asked.get(task, 0) + 1
        print(" ".join(f"{task} {right[task]:.0f}/{asked[task]}" for task in asked))
        least = {"copy": 0.99, "reverse": 0.99, "sort": 0.99, "count": 0.99, "add": 0.95,
                 "subtract": 0.95, "retrieval_64": 1, "retrieval_256": 1, "retrieval_512": 1,
                 "retrieval_1024": 1, "json": 0.99, "tool_call": 0.99, "facts": 0.95,
                 "greeting": 0.99}
        for task, share in least.items():
            self.assertEqual(asked[task], 110)
            self.assertGreaterEqual(right[task], share * 110, task)


class Runs(Workspace):
    def test_killed_and_resumed(self):
        server = self.serve(delay=0.03)
        data = self.questions(150)
        process = subprocess.Popen([PROGRAM, *map(str, self.command(server, data, "cut"))],
                                   stdout=subprocess.DEVNULL)
        while len(server.asked) < 60:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.2)  # what was under way is answered to nobody
        journal = (self.dir / "cut/journal.jsonl").read_text().splitlines()
        kept = {json.loads(line)["key"].split("/")[2] for line in journal[1:]}
        self.assertGreater(len(kept), 30)
        self.assertFalse((self.dir / "cut/results.json").exists())

        result = run(*self.command(server, data, "cut"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(server.asked), 150)
        for number in kept:
            self.assertEqual(server.asked[number], 1, "answered, yet asked again")
        again = [number for number, times in server.asked.items() if times > 1]
        self.assertLessEqual(len(again), 8, "more than was under way at the kill")
        print(f"killed with {len(kept)} answers kept and {len(again)} under way")

        whole = run(*self.command(server, data, "whole"))
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertEqual((self.dir / "cut/results.json").read_bytes(),
                         (self.dir / "whole/results.json").read_bytes())

    def test_a_server_that_fails(self):
        server = self.serve(fails=0.3)
        result = run(*self.command(server, self.questions(40), "out", "--tries", 20))
        self.assertEqual(result.returncode, 0, result.stderr)
        results = json.loads((self.dir / "out/results.json").read_text())
        self.assertEqual((results["answered"], results["failed"], results["score"]), (40, 0, 1.0))
        self.assertEqual(set(server.asked.values()), {1})
        self.assertIn("DeepSeek-V3", result.stdout)
        page = (self.dir / "out/report.html").read_text()
        self.assertIn("<svg", page)
        for outside in ("<script", "src=", "href=", "@import", "url("):
            self.assertNotIn(outside, page)

    def test_compare(self):
        server = self.serve()
        data = self.questions(30)
        run(*self.command(server, data, "a"))
        shutil.copytree(self.dir / "a", self.dir / "b")
        other = json.loads((self.dir / "b/results.json").read_text())
        for item in other["items"][:10]:
            item["score"] = 0.0
        (self.dir / "b/results.json").write_text(json.dumps(other))
        result = run("eval", "compare", self.dir / "a/results.json", self.dir / "b/results.json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("A better on 10 items, B on 0", result.stdout)
        self.assertIn("p = 0.001953, significant", result.stdout)

    def test_what_is_wrong_is_said(self):
        server = self.serve()
        wrong = run("eval", "drop", "--data", self.questions(3), "--shots", 0, "--api", server.url,
                    "--model-name", "m", "--out", self.dir / "x")
        self.assertEqual(wrong.returncode, 3, wrong.stderr)
        self.assertIn('no field "context"', wrong.stderr)
        no_judge = run("eval", "simpleqa", "--data", SOURCE / "tests/data/eval/simpleqa.jsonl",
                       "--api", server.url, "--model-name", "m")
        self.assertEqual(no_judge.returncode, 2)
        self.assertIn("--judge-api", no_judge.stderr)


class Perplexity(Workspace):
    def test_is_what_the_logits_say(self):
        """Of the embedded model."""
        cache = dict(os.environ, XDG_CACHE_HOME=str(self.dir / "cache"))
        text = "The ferry left at dawn; 渡船 was late.\n" * 3
        (self.dir / "text.txt").write_text(text)
        result = run("eval", "perplexity", "--data", self.dir / "text.txt", "--numerics", "exact",
                     "--json", env=cache)
        self.assertEqual(result.returncode, 0, result.stderr)
        got = json.loads(result.stdout)

        ids = run("tokenize", input=text, env=cache).stdout.split()
        tokens = [0] + list(map(int, ids))
        prompts = {"prompts": [{"id": "p", "tokens": tokens[:-1]}]}
        (self.dir / "prompts.json").write_text(json.dumps(prompts))
        made = run("logits", "--prompts", self.dir / "prompts.json", "--out", self.dir / "logits",
                   env=cache)
        self.assertEqual(made.returncode, 0, made.stderr)
        data = (self.dir / "logits").read_bytes()
        head = struct.unpack("<Q", data[:8])[0]
        entry = json.loads(data[8:8 + head])["logits.p"]
        rows, width = entry["shape"]
        self.assertEqual(rows, len(tokens) - 1)
        begin = 8 + head + entry["data_offsets"][0]
        total = 0.0
        for i in range(rows):
            row = struct.unpack(f"<{width}f", data[begin + 4 * width * i:begin + 4 * width * (i + 1)])
            most = max(row)
            total += row[tokens[i + 1]] - most - math.log(sum(math.exp(x - most) for x in row))
        self.assertEqual(got["tokens"], rows)
        self.assertTrue(math.isclose(got["bits_per_byte"],
                                     -total / (len(text.encode()) * math.log(2)), rel_tol=1e-12))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
