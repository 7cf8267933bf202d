#!/usr/bin/env python3
"""Fails when a room includes a header of a room that it may not use (docs/architecture.md)."""
import pathlib
import re
import sys

MAY_USE = {
    "base": [],
    "io": ["base"],
    "tensor": ["base"],
    "checkpoint": ["tensor", "io"],
    "kernels": ["tensor"],
    "weights": ["checkpoint", "kernels"],
    "model": ["weights", "kernels"],
    "cache": ["model", "io"],
    "engine": ["cache", "model"],
    "text": ["io"],
    "embed": ["engine", "text"],
    "ledger": ["base"],
    "api": ["engine", "text", "ledger"],
    "mpi": [],
    "train": ["model", "text", "mpi"],
    "eval": ["text"],
    "bench": ["model"],
}


def closure(room):
    seen, todo = {room}, [room]
    while todo:
        for other in MAY_USE[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    include = re.compile(r'^\s*#\s*include\s+"([^"/]+)/')
    wrong = 0
    for path in sorted(p for p in src.rglob("*") if p.suffix in (".h", ".cc", ".inc")):
        room = path.relative_to(src).parts[0]
        if room == "cli":
            continue
        allowed = closure(room)
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = include.match(line)
            if found and found[1] not in allowed:
                print(f"{path.relative_to(src.parent)}:{number}: {room} may not use {found[1]}")
                wrong += 1
    if not wrong:
        print("includes: every arrow points down")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
