"""mpirun -n 2 fathom train: what two ranks train is what one trains, byte for byte.

    ranks_test.py PROGRAM SOURCE_DIR
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])

# On a busy machine a rank may need more than the second that mpirun gives it to say why it ends.
SLOW_KILL = ["--mca", "odls_base_sigkill_timeout", "5"]

CONFIG = """
model = "nano.json"
precision = "fp8"
threads = 1
[data]
sequence = 32
use_mask = true
[[data.train]]
path = "lessons.bin"
[[data.validation]]
path = "lessons.bin"
[batch]
sequences = {sequences}
micro = 1
shards = {shards}
[parallel]
experts = {experts}
[schedule]
peak = 2e-3
warmup = 2
constant = {constant}
decay = 2
[optimizer]
rounding_seed = 7
[output]
dir = "{name}"
save_every = 4
validate_every = 5
validate_sequences = 3
"""


def command(ranks, *args, mpi=()):
    """As mpirun starts it; without it for one rank."""
    if ranks == 1:
        return [PROGRAM, *map(str, args)]
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    return ["mpirun", *root, "--oversubscribe", "--bind-to", "none", *mpi, "-n", str(ranks),
            PROGRAM, *map(str, args)]


class Ranks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="fathom-ranks-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        architecture = json.loads((SOURCE / "models/configs/nano.json").read_text())
        architecture.update(vocab_size=4096, hidden_size=64)
        (cls.dir / "nano.json").write_text(json.dumps(architecture))
        lessons = cls.dir / "lessons.jsonl"
        for args in [["data", "--suite", "lessons", "--split", "train", "--count", 60,
                      "--out", lessons],
                     ["data", lessons, "--tokenizer", SOURCE / "models/fathom-10m",
                      "--vocab", 4096, "--out", cls.dir / "lessons.bin"]]:
            done = subprocess.run(command(1, *args), capture_output=True, text=True, timeout=100)
            assert done.returncode == 0, done.stderr

    def config(self, name, shards=2, experts=False, constant=6):
        path = self.dir / f"{name}.toml"
        path.write_text(CONFIG.format(name=name, shards=shards, sequences=2 * shards,
                                      experts=str(experts).lower(), constant=constant))
        return path

    def train(self, ranks, config, *flags):
        return subprocess.run(command(ranks, "train", config, *flags), capture_output=True,
                              text=True, timeout=200)

    def made(self, name):
        """What a run leaves, the times in its log left out."""
        log = (self.dir / name / "log.jsonl").read_text().splitlines()
        log = [json.loads(line) for line in log]
        for line in log:
            line.pop("tokens_per_second", None)
        return (log, (self.dir / name / "state.safetensors").read_bytes(),
                (self.dir / name / "export/model.safetensors").read_bytes())

    def assert_same_run(self, one, other):
        for a, b, what in zip(self.made(one), self.made(other), ("log", "state", "export")):
            self.assertTrue(a == b, f"{what} of {other} is not that of {one}")

    def test_data_parallel(self):
        for ranks, name in [(1, "one"), (2, "two")]:
            done = self.train(ranks, self.config(name, shards=3))
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_run("one", "two")

    def test_expert_parallel(self):
        for ranks, name in [(1, "together"), (2, "divided")]:
            done = self.train(ranks, self.config(name, experts=True))
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_run("together", "divided")

    def test_a_killed_rank_ends_the_run_and_it_goes_on(self):
        endless = self.config("killed", experts=True, constant=1_000_000)
        run = subprocess.Popen(command(2, "train", endless, mpi=SLOW_KILL), text=True,
                               stderr=subprocess.PIPE)
        self.addCleanup(run.kill)
        self.wait_for_step("killed", 6)
        os.kill(self.a_rank(run.pid), signal.SIGKILL)
        _, error = run.communicate(timeout=100)
        self.assertNotEqual(run.returncode, 0)
        said = [line for line in error.splitlines() if line.startswith("fathom: rank ")]
        self.assertEqual(len(said), 1, error)
        self.assertIn("--resume", said[0])
        # The state of two ranks goes on with one, and the reverse.
        alone = subprocess.Popen(command(1, "train", endless, "--resume"),
                                 stderr=subprocess.DEVNULL)
        self.addCleanup(alone.kill)
        self.wait_for_step("killed", self.step("killed") + 6)
        alone.terminate()
        self.assertEqual(alone.wait(timeout=100), 130)
        constant = self.step("killed") + 3
        for ranks, name in [(2, "killed"), (1, "whole")]:
            config = self.config(name, experts=True, constant=constant)
            done = self.train(ranks, config, "--resume")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_run("whole", "killed")

    def step(self, name):
        """The last step in a run's log; 0 while there is none."""
        log = self.dir / name / "log.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        steps = [json.loads(line)["step"] for line in lines if line.endswith("}")]
        return steps[-1] if steps else 0

    def wait_for_step(self, name, step):
        deadline = time.monotonic() + 200
        while self.step(name) < step:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def a_rank(self, launcher):
        """The process id of a fathom that mpirun started."""
        children = pathlib.Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        ranks = [int(child) for child in children
                 if b"fathom" in pathlib.Path(f"/proc/{child}/comm").read_bytes()]
        self.assertEqual(len(ranks), 2)
        return ranks[1]

    def test_what_cannot_be_shared_out_is_refused(self):
        done = self.train(2, self.config("few", shards=1))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("batch.shards is 1, 2 ranks need at least as many", done.stderr)
        done = self.train(2, self.config("many", shards=4, experts=True))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("parallel.experts", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
