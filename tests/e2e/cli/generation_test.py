"""fathom generate and fathom chat, through the built program.

    generation_test.py PROGRAM SOURCE_DIR
"""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
GOLDEN = SOURCE / "tests/golden/model/v3-tiny-fp8"
LIMIT = 60  # seconds that anything may take


def run(*args, **more):
    return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True,
                          timeout=LIMIT, **more)


class SmallModel(unittest.TestCase):
    """Random weights with a byte-level tokenizer and a chat template."""

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="fathom-generation-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.model = cls.dir / "model"
        made = run("synth", SOURCE / "tests/configs/nano.json", cls.model, "--seed", 3)
        assert made.returncode == 0, made.stderr

    def generate(self, *args):
        result = run("generate", self.model, "--json", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)


class GoldenIds(unittest.TestCase):
    def test_greedy_ids_are_the_published_inferences(self):
        expected = json.loads((GOLDEN / "expected.json").read_text())
        for prompt in expected["prompts"]:
            if len(prompt["tokens"]) > 600:
                continue
            for speculation in ("--speculate", "--no-speculate"):
                result = run("generate", GOLDEN, "--numerics", "exact", "--temperature", 0, "-n", 24,
                             "--ignore-eos", "--json", speculation, "--ids",
                             ",".join(map(str, prompt["tokens"])))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(json.loads(result.stdout)["ids"], prompt["greedy_24"], prompt["id"])


class Generate(SmallModel):
    def test_answers_as_json_with_usage_and_timings(self):
        answer = self.generate("--prompt", "Hello", "-n", 40, "--seed", 5, "--ignore-eos")
        self.assertEqual(answer["finish_reason"], "length")
        self.assertEqual(len(answer["ids"]), 40)
        self.assertEqual(answer["usage"]["prompt_tokens"], 6)
        self.assertEqual(answer["usage"]["completion_tokens"], 40)
        self.assertGreater(answer["timings"]["tokens_per_second"], 0)

    def test_one_seed_one_answer_with_and_without_speculation(self):
        args = ["--prompt", "Hello", "-n", 200, "--ignore-eos", "--seed"]
        first = self.generate(*args, 5)["ids"]
        self.assertEqual(self.generate(*args, 5)["ids"], first)
        self.assertEqual(self.generate(*args, 5, "--no-speculate")["ids"], first)
        self.assertEqual(self.generate(*args, 5, "--threads", 1)["ids"], first)
        self.assertNotEqual(self.generate(*args, 6)["ids"], first)

    def test_text_is_what_json_says(self):
        args = ["--prompt", "Hi", "-n", 30, "--seed", 2, "--ignore-eos"]
        text = subprocess.run([PROGRAM, "generate", self.model, *map(str, args)],
                              capture_output=True, timeout=LIMIT)
        self.assertEqual(text.stdout.decode(errors="replace"), self.generate(*args)["text"] + "\n")
        self.assertRegex(text.stderr.decode(), r"^30 tokens, [\d.]+ tokens/s, length\n$")

    def test_ends_at_the_contexts_end(self):
        ids = ",".join(["65"] * 4000)
        answer = self.generate("--ids", ids, "-n", 10**12, "--ignore-eos", "--seed", 1)
        self.assertEqual(answer["finish_reason"], "length")
        self.assertEqual(len(answer["ids"]), 96)

    def test_what_cannot_be_answered_is_one_line(self):
        for code, *args in [(2,), (2, "--prompt", "a", "--ids", "1"), (3, "--ids", "512"),
                            (3, "--ids", ",".join(["65"] * 4096)), (2, "--ids", "1", "-n", "0"),
                            (2, "--ids", "1", "--temperature", "3")]:
            result = run("generate", self.model, *args)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertEqual(result.stdout, "")
        self.assertEqual(run("generate", self.dir / "none", "--ids", 1).returncode, 5)

    def test_a_full_disk_is_an_error(self):
        for form in ([], ["--json"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([PROGRAM, "generate", self.model, "--ids", "1", "-n", "3",
                                         *form], stdout=full, stderr=subprocess.PIPE, timeout=LIMIT)
            self.assertEqual(result.returncode, 6, result.stderr)

    def test_ctrl_c_ends_the_answer_and_keeps_what_there_is(self):
        program = subprocess.Popen(
            [PROGRAM, "generate", self.model, "--prompt", "Hello", "-n", "100000", "--ignore-eos",
             "--seed", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = program.stdout.read(1)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=LIMIT)
        self.assertEqual(program.returncode, 0, err)
        self.assertRegex(err.decode(), r"^\d+ tokens, [\d.]+ tokens/s, cancelled\n$")
        self.assertTrue((first + out).endswith(b"\n"))


class WithoutAnEnd(SmallModel):
    """Neither config nor tokenizer names an end of sentence that the vocabulary has."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, changed in [("config.json", {"eos_token_id": None}),
                              ("tokenizer_config.json", {"eos_token": None})]:
            file = cls.model / name
            file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))

    def test_answers_end_by_length(self):
        answer = self.generate("--prompt", "Hi", "-n", 5)
        self.assertEqual((answer["finish_reason"], len(answer["ids"])), ("length", 5))

    def test_it_is_served(self):
        program = subprocess.Popen(
            [PROGRAM, "serve", self.model, "--port", "0", "--no-disk-cache", "--ledger",
             self.dir / "ledger.db"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = program.stdout.readline()
        program.terminate()
        _, err = program.communicate(timeout=LIMIT)
        self.assertTrue(line.startswith("serving"), err)
        self.assertEqual(program.returncode, 0, err)


class Terminal:
    """The program on a pseudo-terminal."""

    def __init__(self, *args, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=str(home), TERM="dumb")
            os.execv(PROGRAM, [PROGRAM, *map(str, args)])
        self.seen = b""

    def send(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern):
        """What comes up to and with the pattern."""
        end = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern} in {self.seen}")
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                    raise AssertionError(f"ended with {status}, without {pattern}: {self.seen}")
        text, self.seen = self.seen[:found.end()], self.seen[found.end():]
        return text

    def prompt(self):
        """Waits until the program listens: what is typed before that is the terminal's."""
        self.until(rb"> ")
        self.editing(True)

    def editing(self, wanted):
        """Waits until the program edits a line, or does not."""
        end = time.monotonic() + LIMIT
        while bool(termios.tcgetattr(self.fd)[3] & termios.ICANON) == wanted:
            if time.monotonic() > end:
                raise AssertionError(f"editing is not {wanted}: {self.seen}")
            time.sleep(0.01)

    def close(self):
        """The exit status. A program that goes on for too long is hung up."""
        end = time.monotonic() + LIMIT
        try:
            while time.monotonic() < end:
                if select.select([self.fd], [], [], 1)[0] and not os.read(self.fd, 4096):
                    break
        except OSError:  # nobody is at the other end any more
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


STATISTICS = rb"(\d+) tokens, [\d.]+ tokens/s, first after [\d.]+ s, context (\d+) \((\d+) from cache\)(.*)"


class Chat(SmallModel):
    def open(self, *args):
        terminal = Terminal("chat", self.model, *args, home=self.dir)
        terminal.until(rb"/help for commands")
        terminal.prompt()
        return terminal

    def turn(self, terminal, text):
        terminal.send(text + "\n")
        found = re.search(STATISTICS, terminal.until(STATISTICS))
        terminal.prompt()
        return int(found[1]), int(found[2]), int(found[3]), found[4]

    def test_a_second_turn_takes_the_first_from_the_cache(self):
        terminal = self.open("-n", 100, "--seed", 1)
        tokens, context, cached, _ = self.turn(terminal, "Tell me a story of a hundred bytes, " * 3)
        self.assertEqual(cached, 0)
        self.assertGreater(context, 100)
        tokens, context, cached, _ = self.turn(terminal, "And then?")
        self.assertGreaterEqual(cached, 64)
        self.assertEqual(cached % 64, 0)
        terminal.send("\x04")
        self.assertEqual(terminal.close(), 0)

    def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(self):
        terminal = self.open("-n", 3500, "--seed", 4)
        terminal.send("Count.\n")
        terminal.editing(False)
        terminal.send("\x03")
        found = re.search(STATISTICS, terminal.until(STATISTICS))
        if int(found[1]) > 3000:
            self.fail("Ctrl-C went unheard")
        terminal.prompt()
        terminal.send("dropped\x03/system kept\n")  # at the prompt it drops the line
        terminal.until(rb"system message set")
        terminal.prompt()
        os.kill(terminal.pid, signal.SIGINT)  # from elsewhere, not from a key
        terminal.prompt()
        terminal.send("/quit\n")
        self.assertEqual(terminal.close(), 0)

    def test_commands(self):
        terminal = self.open("-n", 5, "--seed", 1, "--system", "Be brief.")
        self.turn(terminal, "One.")
        saved = self.dir / "conversation.json"
        terminal.send(f"/save {saved}\n")
        terminal.until(rb"2 messages saved")
        self.assertEqual([m["role"] for m in json.loads(saved.read_text())["messages"]],
                         ["system", "user", "assistant"])
        terminal.send("/reset\n")
        terminal.until(rb"a new conversation")
        terminal.send(f"/load {saved}\n")
        terminal.until(rb"2 messages loaded")
        terminal.send("/nonsense\n")
        terminal.until(rb"no command /nonsense")
        terminal.send("/load /nowhere\n")
        terminal.until(rb"/nowhere")
        terminal.prompt()
        terminal.send("\x04")
        self.assertEqual(terminal.close(), 0)

    def test_reads_a_pipe(self):
        result = run("chat", self.model, "-n", 5, "--seed", 1, input="Hello\n\nAgain\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(re.findall(STATISTICS, result.stdout.encode())), 2)

    def test_a_system_message_that_is_not_utf8_is_refused_alone(self):
        saved = self.dir / "saved.json"
        result = subprocess.run([PROGRAM, "chat", self.model, "-n", "5"], capture_output=True,
                                input=f"Hello\n/system caf\xe9\n/save {saved}\n".encode("latin-1"),
                                timeout=LIMIT)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(b"the system message: invalid UTF-8", result.stderr)
        self.assertEqual(len(json.loads(saved.read_text())["messages"]), 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
