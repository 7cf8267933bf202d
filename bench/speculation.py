#!/usr/bin/env python3
"""Speculation on a model: how many drafts are kept and what that is worth, by kind of text.

    bench/speculation.py PROGRAM [DIR] [--tokens N] [--rounds N]

Answers with and without it are generated in turns and must be equal.
"""
import argparse
import json
import statistics
import subprocess

KINDS = {
    "prose": "The river rises in the mountains and",
    "question": "What is the capital of France? The capital of France is",
    "code": "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "JSON": '{"name": "Ann", "age": 31, "languages": ["English",',
    "a list": "1. apples\n2. pears\n3.",
    "Chinese": "春天来了,",
}


def generate(arguments, prompt, seed, *flags):
    command = [arguments.program, "generate", *([arguments.dir] if arguments.dir else []), "--json",
               "--ignore-eos", "--seed", str(seed), "-n", str(arguments.tokens), "--prompt", prompt,
               *flags]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("dir", nargs="?")
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(f"{'':10}{'temperature':>12}{'drafts':>8}{'kept':>7}{'tokens/s':>10}{'without':>9}{'ratio':>7}")
    for kind, prompt in KINDS.items():
        for temperature in ("0", "1"):
            ratios, kept, drafts, on, off = [], 0, 0, [], []
            for seed in range(arguments.rounds):
                flags = ("--temperature", temperature)
                without = generate(arguments, prompt, seed, *flags, "--no-speculate")
                with_it = generate(arguments, prompt, seed, *flags)
                if with_it["ids"] != without["ids"]:
                    raise SystemExit(f"{kind}, seed {seed}: speculation changed the answer")
                drafts += with_it["usage"]["draft_tokens"]
                kept += with_it["usage"]["accepted_tokens"]
                on.append(with_it["timings"]["tokens_per_second"])
                off.append(without["timings"]["tokens_per_second"])
                ratios.append(on[-1] / off[-1])
            share = f"{100 * kept / drafts:.0f}%" if drafts else "-"
            print(f"{kind:10}{temperature:>12}{drafts:>8}{share:>7}{statistics.median(on):>10.1f}"
                  f"{statistics.median(off):>9.1f}{statistics.median(ratios):>7.2f}", flush=True)


if __name__ == "__main__":
    main()
