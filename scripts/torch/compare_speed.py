#!/usr/bin/env python3
"""Training steps of the embedded architecture in Fathom and in PyTorch, in turns on one machine: forward,
backward, clipping and AdamW on random tokens, every token predicted.

    scripts/torch/compare_speed.py [--threads N] [--rounds N]      (Debian: python3-torch)

PyTorch computes with whatever libblas.so.3 the system has; OpenBLAS is faster than the reference.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIG = ROOT / "models/configs/embedded.json"
SEQUENCE = 2048

options = argparse.ArgumentParser()
options.add_argument("--threads", type=int, default=1)
options.add_argument("--rounds", type=int, default=2)
options.add_argument("--measures", default=ROOT / "build/release/tests/e2e/train/train_measures")
options = options.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402 - it reads the number of threads when it is loaded

from model import Model  # noqa: E402


class Torch:
    def __init__(self, bf16):
        torch.manual_seed(1)
        self.config = json.loads(CONFIG.read_text())
        self.bf16 = bf16
        self.model = Model(self.config)
        for parameter in self.model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.03)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, betas=(0.9, 0.95),
                                           weight_decay=0.1)

    def step(self):
        """Tokens a second of one step."""
        ids = torch.randint(self.config["vocab_size"], (1, SEQUENCE + 2))
        begin = time.monotonic()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            main, mtp, balance = self.model.losses(ids)
            loss = (main + 0.3 * mtp) / SEQUENCE + 1e-4 * balance
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return SEQUENCE / (time.monotonic() - begin)


def fathom(precision):
    made = subprocess.run([options.measures, CONFIG, "--precision", precision, "--products", "0",
                           "--sequences", "1", "--threads", str(options.threads), "--steps", "3"],
                          check=True, capture_output=True, text=True)
    return json.loads(made.stdout)["steps"]["tokens_per_second"]


def main():
    torch.set_num_threads(options.threads)
    maps = pathlib.Path("/proc/self/maps").read_text()
    blas = {str(pathlib.Path(path).resolve()) for path in re.findall(r"/\S*blas\S*", maps)}
    print(f"PyTorch {torch.__version__}, {', '.join(sorted(blas))}, {options.threads} threads")
    runs = {"PyTorch f32": Torch(False).step, "PyTorch bf16": Torch(True).step}
    for step in runs.values():
        step()  # the first one allocates
    runs.update({f"Fathom {p}": lambda p=p: fathom(p) for p in ("f32", "bf16", "fp8")})
    best = dict.fromkeys(runs, 0.0)
    for _ in range(options.rounds):
        for name, step in runs.items():
            best[name] = max(best[name], step())
    fastest = max(best["PyTorch f32"], best["PyTorch bf16"])
    for name, rate in best.items():
        print(f"{name:13} {rate:7.0f} tokens/s  {rate / fastest:5.2f} times the faster PyTorch")


main()
