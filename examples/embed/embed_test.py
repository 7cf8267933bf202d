"""Installs libfathom, builds the example against it and runs it.

    embed_test.py SOURCE_DIR BUILD_DIR PROGRAM
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD, PROGRAM = map(pathlib.Path, sys.argv[1:4])


def run(*args):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True,
                          errors="replace", timeout=250)


class EmbedExample(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="fathom-embed-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        prefix, build, cls.model = cls.dir / "prefix", cls.dir / "build", cls.dir / "model"
        for command in [
            ["cmake", "--install", BUILD, "--prefix", prefix, "--component", "embed"],
            ["cmake", "-G", "Ninja", "-S", SOURCE / "examples/embed", "-B", build,
             f"-DCMAKE_PREFIX_PATH={prefix}", *cls.sanitizers()],
            ["cmake", "--build", build],
            [PROGRAM, "synth", SOURCE / "tests/configs/nano.json", cls.model, "--seed", 3],
        ]:
            result = run(*command)
            assert result.returncode == 0, result.stdout + result.stderr
        cls.example = build / "embed"
        cls.prefix = prefix

    @staticmethod
    def sanitizers():
        """A sanitized library wants its program sanitized too."""
        for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
            if line.startswith("FATHOM_SANITIZE:") and line.split("=", 1)[1]:
                return ["-DCMAKE_CXX_FLAGS=-fsanitize=" + line.split("=", 1)[1]]
        return []

    def test_streams_and_answers_by_the_schema(self):
        result = run(self.example, self.model, "Which city?")
        self.assertEqual(result.returncode, 0, result.stderr)
        streamed = re.search(r"\n\[\d+ tokens, \w+\]\n", result.stdout)
        answer, end = json.JSONDecoder().raw_decode(result.stdout, streamed.end())
        self.assertEqual(list(answer), ["city", "inhabitants"])
        self.assertRegex(result.stdout[end:], r"^\n\[\d+ of \d+ prompt tokens from the cache\]\n"
                                              r"one request, one answer\n$")

    def test_errors_are_the_headers_own(self):
        result = run(self.example, self.dir / "none", "?")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"^embed: .*none")

    def test_nothing_else_is_visible(self):
        library = next(self.prefix.glob("lib*/**/libfathom.so"))
        symbols = run("nm", "-DC", "--defined-only", library).stdout
        ours = [line for line in symbols.splitlines() if "fathom::" in line]
        self.assertTrue(ours)
        self.assertEqual([line for line in ours if "fathom::embed::" not in line], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
