"""The commands that read and write checkpoints, through the built program.

    checkpoint_test.py PROGRAM SOURCE_DIR
"""
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])
PUBLISHED = SOURCE / "bench/configs/deepseek-v3-671b.json"
GOLDEN = SOURCE / "tests/golden/model"
SANITIZED = bool(os.environ.get("FATHOM_SANITIZE"))  # keeps memory of its own


def run(*args, **more):
    return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, **more)


class Workspace(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="fathom-checkpoint-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def refused(self, result, code, *parts):
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)


@unittest.skipIf(SANITIZED, "the sanitizer's memory counts too")
class Memory(Workspace):
    def test_weights_are_in_memory_once(self):
        """While they move from the mapping to huge pages, too."""
        config = json.loads((SOURCE / "bench/configs/mini.json").read_text())
        (self.dir / "config.json").write_text(json.dumps({**config, "vocab_size": 4096}))
        made = run("synth", self.dir / "config.json", self.dir / "model", "--layers", 2)
        self.assertEqual(made.returncode, 0, made.stderr)
        weights = sum(f.stat().st_size for f in (self.dir / "model").glob("*.safetensors"))
        process = subprocess.Popen(
            [PROGRAM, "generate", self.dir / "model", "--ids", "1,2,3", "-n", "16", "--ignore-eos"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        resident = used.ru_maxrss * 1024
        print(f"{weights / 1e6:.0f} MB of weights, {resident / 1e6:.0f} MB resident at most")
        self.assertLess(resident, 1.2 * weights + 256e6)  # the mover's pieces, the engine's pages


class PublishedShape(Workspace):
    """The full model as headers and holes."""

    def setUp(self):
        super().setUp()
        made = run("synth", PUBLISHED, self.dir / "v3", "--sparse")
        self.assertEqual(made.returncode, 0, made.stderr)

    def test_inspect_counts_as_published(self):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        start = time.monotonic()
        result = run("inspect", self.dir / "v3", "--json")
        seconds = time.monotonic() - start
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        parameters = report["parameters"]
        self.assertEqual(round(parameters["total"] / 1e9), 671)
        self.assertEqual(round(parameters["active"] / 1e9), 37)
        self.assertEqual(round(parameters["mtp"] / 1e9, 1), 11.5)
        self.assertTrue(report["ok"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if not SANITIZED:
            self.assertLess(max(peak, before), 1_000_000, "KB resident")
        print(f"inspect of 671B: {seconds:.2f} s, {peak / 1024:.0f} MB")

    def test_generate_says_what_it_needs_before_it_reads(self):
        start = time.monotonic()
        result = run("generate", self.dir / "v3", "--ids", "1,2,3", "-n", "1")
        self.refused(result, 7, "needs 6", "weights", "cache", "available", "--allow-paging")
        self.assertLess(time.monotonic() - start, 60)

    def test_paging_is_allowed_when_asked_for(self):
        """A few layers too many for this machine: holes read as zeros, and most experts are not
        read at all."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        dense, moe_layer_bytes = 3, 11.4e9
        layers = dense + int(memory / moe_layer_bytes) + 1
        made = run("synth", PUBLISHED, self.dir / "some", "--layers", layers, "--sparse")
        self.assertEqual(made.returncode, 0, made.stderr)
        command = ["generate", self.dir / "some", "--ids", "1,2,3", "-n", "1", "--json"]
        self.refused(run(*command), 7, "--allow-paging")
        paged = run(*command, "--allow-paging")
        self.assertEqual(paged.returncode, 0, paged.stderr)
        self.assertEqual(len(json.loads(paged.stdout)["ids"]), 1)


class BadInput(Workspace):
    def test_int8_takes_no_mapped_weights(self):
        for flag in ["--mapped", "--allow-paging"]:
            result = run("generate", GOLDEN / "v3-tiny-fp8", "--ids", "1,2", "-n", "1",
                         "--numerics", "int8", flag)
            self.refused(result, 2, "--numerics int8", flag)

    def test_one_line_and_a_code(self):
        self.refused(run("inspect", self.dir), 5, str(self.dir), "config.json")
        self.refused(run("inspect", self.dir / "nowhere"), 5, "nowhere")
        model = self.dir / "model"
        shutil.copytree(GOLDEN / "v3-tiny-fp8", model)
        shard = model / "model-00001-of-00002.safetensors"
        os.truncate(shard, shard.stat().st_size - 1)
        self.refused(run("inspect", model), 3, shard.name, "truncated")
        self.refused(run("generate", model, "--ids", "1"), 3, shard.name)

    def test_ids_past_the_vocabulary(self):
        model = GOLDEN / "v3-tiny-fp8"
        self.refused(run("generate", model, "--ids", "1,99999999"), 3, "99999999")
        self.refused(run("generate", model, "--ids", "1,-2"), 3, "-2")
        prompts = self.dir / "prompts.json"
        prompts.write_text(json.dumps({"prompts": [{"id": "p", "tokens": [0, 99999999]}]}))
        result = run("logits", model, "--prompts", prompts, "--out", self.dir / "x.safetensors")
        self.refused(result, 3, "99999999")
        self.assertFalse((self.dir / "x.safetensors").exists())

    def test_text_that_is_not_utf8(self):
        made = run("synth", SOURCE / "tests/configs/nano.json", self.dir / "nano")
        self.assertEqual(made.returncode, 0, made.stderr)
        result = subprocess.run([PROGRAM, "tokenize", self.dir / "nano"], input=b"ab\xff",
                                capture_output=True)
        self.assertEqual(result.returncode, 3)
        self.assertIn(b"UTF-8", result.stderr)

    def test_nested_json(self):
        made = run("synth", SOURCE / "tests/configs/nano.json", self.dir / "nano")
        self.assertEqual(made.returncode, 0, made.stderr)
        deep = "[" * 200_000 + "]" * 200_000
        line = '{"messages": [{"role": "user", "content": "Hi"}], "tools": ' + deep + "}\n"
        self.refused(run("render", self.dir / "nano", input=line), 3, "line 1", "nested deeper")

    def test_a_full_disk_is_an_error(self):
        for form in ([], ["--json"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([PROGRAM, "inspect", GOLDEN / "v3-tiny-fp8", *form],
                                        stdout=full, stderr=subprocess.PIPE, text=True)
            self.refused(result, 6, "stdout")

    def test_a_directory_whose_name_is_not_utf8(self):
        place = os.path.join(os.fsencode(self.dir), b"caf\xe9")
        shutil.copytree(os.fsencode(GOLDEN / "v3-tiny-fp8"), place)
        result = subprocess.run([PROGRAM, "inspect", place, "--json"], capture_output=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(json.loads(result.stdout)["ok"])


class KilledConversion(Workspace):
    def test_kill_at_any_moment_then_the_same_result(self):
        source = self.dir / "source"
        made = run("synth", SOURCE / "tests/configs/nano.json", source)
        self.assertEqual(made.returncode, 0, made.stderr)
        whole = run("convert", source, self.dir / "whole", "--to", "bf16")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        kills = 0
        for moment in range(12):
            target = self.dir / f"target{moment}"
            process = subprocess.Popen([PROGRAM, "convert", source, target, "--to", "bf16"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.002 * moment)
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            if target.exists():
                self.check_no_half_files(target)
            again = run("convert", source, target, "--to", "bf16") \
                if not (target / "config.json").exists() else None
            self.assertTrue(again is None or again.returncode == 0, again and again.stderr)
            for name in os.listdir(self.dir / "whole"):
                self.assertEqual((target / name).read_bytes(),
                                 (self.dir / "whole" / name).read_bytes(), name)
        self.assertGreater(kills, 0)

    def check_no_half_files(self, target):
        for shard in target.glob("*.safetensors"):
            self.assertEqual(shard.stat().st_size, (self.dir / "whole" / shard.name).stat().st_size)


unittest.main(argv=sys.argv[:1])
