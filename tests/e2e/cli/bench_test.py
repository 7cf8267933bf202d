"""fathom bench, --sampler, --serve-sim and --speculation, through the built program.

    bench_test.py PROGRAM SOURCE_DIR
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = sys.argv[1], pathlib.Path(sys.argv[2])


def run(*args):
    return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=100)


class ServeSim(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="fathom-serve-sim-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.model = cls.dir / "model"
        made = run("synth", SOURCE / "tests/configs/nano.json", cls.model, "--seed", 3)
        assert made.returncode == 0, made.stderr
        cls.load = ["bench", cls.model, "--serve-sim", "--requests", 12, "--per-second", 40,
                    "--max-prompt", 100, "--max-answer", 24, "--prefix-tokens", 128]

    def test_reports_what_came_of_it(self):
        result = run(*self.load, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual(report["finished"], 12)
        self.assertEqual(report["refused"] + report["failed"], 0)
        self.assertGreater(report["hit_rate"], 0)
        self.assertGreater(report["tokens_per_second"], 0)
        times = report["time_to_first_token"]
        self.assertTrue(0 < times["p50"] <= times["p90"] <= times["p99"] <= times["max"])

    def test_the_same_trace_has_the_same_tokens(self):
        texts = [run(*self.load).stdout for _ in range(2)]
        self.assertIn("time to first token", texts[0])
        counts = [[line for line in text.splitlines() if "prompt tokens" in line] for text in texts]
        self.assertEqual(counts[0][0].split()[0], counts[1][0].split()[0])

    def test_what_makes_no_sense_is_refused(self):
        for args in [("--requests", "0"), ("--max-prompt", "5000"), ("--min-prompt", "2000")]:
            result = run("bench", self.model, "--serve-sim", *args)
            self.assertEqual(result.returncode, 2, result.stderr)
        self.assertEqual(run("bench", self.model, "--requests", 5).returncode, 2)


class Sampler(unittest.TestCase):
    def test_reports_each_way(self):
        result = run("bench", SOURCE / "models/fathom-10m", "--sampler", "--seconds", 0.2, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = json.loads(result.stdout)
        self.assertEqual(len({row["way"] for row in rows}), 5)
        for row in rows:
            self.assertGreater(row["seconds"], 0)
            self.assertGreater(row["of_step"], 0)


class Lists(unittest.TestCase):
    def test_an_empty_number_is_refused(self):
        for lists in [("--prefill", 1, "--batch", ""), ("--prefill", "")]:
            result = run("bench", SOURCE / "models/fathom-10m", "--decode", 0, *lists)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("expected a list of numbers", result.stderr)


class Speculation(unittest.TestCase):
    def test_reports_each_kind_of_text(self):
        result = run("bench", SOURCE / "models/fathom-10m", "--speculation", "--tokens", 40,
                     "--rounds", 2, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = json.loads(result.stdout)
        self.assertEqual(len({row["kind"] for row in rows}), 6)
        for row in rows:
            self.assertLessEqual(row["accepted_tokens"], row["draft_tokens"])
            self.assertGreater(row["ratio"], 0)

    def test_a_model_without_mtp_is_refused(self):
        config = json.loads((SOURCE / "tests/configs/nano.json").read_text())
        config["num_nextn_predict_layers"] = 0
        with tempfile.TemporaryDirectory() as folder:
            plain = pathlib.Path(folder) / "plain.json"
            plain.write_text(json.dumps(config))
            made = run("synth", plain, pathlib.Path(folder) / "model")
            self.assertEqual(made.returncode, 0, made.stderr)
            result = run("bench", pathlib.Path(folder) / "model", "--speculation")
        self.assertEqual(result.returncode, 2)
        self.assertIn("no MTP layer", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
