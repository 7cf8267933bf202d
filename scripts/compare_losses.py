#!/usr/bin/env python3
"""How far training losses lie apart: the runs of scripts/compare_precisions.sh against their BF16 run.

    scripts/compare_losses.py RUNS MODEL [--svg FILE]

RUNS/MODEL-NAME/log.jsonl of NAME fp8, bf16 and control. Losses are smoothed by an exponential moving
average over steps (decay 0.98); the gap is |smoothed / smoothed BF16 - 1|, its mean taken over the last
third of the steps that both runs have.
"""
import argparse
import json
import pathlib

DECAY = 0.98
BAR = 0.25  # per cent
COLORS = {"fp8": "#dc2626", "bf16": "#2563eb", "control": "#059669"}
LABELS = {"fp8": "FP8", "bf16": "BF16", "control": "BF16, another rounding seed"}


def read(path):
    """Losses and tokens by step, and the validations."""
    losses, tokens, validations = [], [], []
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if "loss" in record:
            losses.append(record["loss"])
            tokens.append(record["tokens"])
        else:
            validations.append(record)
    return losses, tokens, validations


def smooth(losses):
    """Without the bias towards 0 that a young average has."""
    average, smoothed = 0.0, []
    for i, loss in enumerate(losses, 1):
        average = DECAY * average + (1 - DECAY) * loss
        smoothed.append(average / (1 - DECAY**i))
    return smoothed


class Panel:
    """Axes over tokens, x in millions."""

    def __init__(self, top, height, x_end, low, high, title):
        self.top, self.height, self.x_end, self.low, self.high = top, height, x_end, low, high
        self.parts = [f'<text x="60" y="{top - 8}" font-weight="bold">{title}</text>',
                      f'<rect x="60" y="{top}" width="760" height="{height}" fill="none" '
                      'stroke="#9ca3af"/>']

    def at(self, x, y):
        y = min(max(y, self.low), self.high)
        return (60 + 760 * x / self.x_end,
                self.top + self.height * (self.high - y) / (self.high - self.low))

    def level(self, y, label, dashes=""):
        _, at = self.at(0, y)
        self.parts.append(f'<path d="M60 {at:.1f}H820" stroke="#d1d5db" stroke-dasharray="{dashes}"/>'
                          f'<text x="54" y="{at + 4:.1f}" text-anchor="end">{label}</text>')

    def curve(self, xs, ys, color):
        stride = max(1, len(xs) // 400)
        points = " ".join("{:.1f},{:.1f}".format(*self.at(x, y))
                          for x, y in zip(xs[::stride], ys[::stride]))
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" '
                          'stroke-width="1.2"/>')


def draw(model, tokens, smoothed, gaps):
    x = [t / 1e6 for t in tokens]
    skip = len(x) // 50  # the first steps would hide all others
    values = [v for s in smoothed.values() for v in s[skip:]]
    low, high = min(values), max(values)
    losses = Panel(40, 200, x[-1], low, high, f"{model}: training loss, smoothed")
    for y in (low, (low + high) / 2, high):
        losses.level(y, f"{y:.2f}")
    for name, s in smoothed.items():
        losses.curve(x[skip:], s[skip:], COLORS[name])
    gap = Panel(290, 140, x[-1], -1.0, 1.0, "Difference from BF16, per cent")
    for y in (-1, 0, 1):
        gap.level(y, y)
    for y in (-BAR, BAR):
        gap.level(y, y, "4 3")
    for name, g in gaps.items():
        gap.curve(x[skip:], g[skip:], COLORS[name])
    for i in range(5):
        at = 60 + 760 * i / 4
        gap.parts.append(f'<text x="{at}" y="448" text-anchor="middle">{x[-1] * i / 4:.1f}M</text>')
    legend = "".join(f'<text x="{380 + 90 * i}" y="32" fill="{COLORS[name]}">{LABELS[name]}</text>'
                     for i, name in enumerate(smoothed))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 460" font-family="sans-serif" '
            'font-size="12"><rect width="840" height="460" fill="white"/>'
            + legend + "".join(losses.parts + gap.parts) + "</svg>\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("model")
    parser.add_argument("--svg", type=pathlib.Path)
    options = parser.parse_args()
    logs = {name: options.runs / f"{options.model}-{name}" / "log.jsonl"
            for name in (*LABELS, "unbalanced")}
    runs = {name: read(path) for name, path in logs.items() if path.exists()}
    smoothed = {name: smooth(runs[name][0]) for name in LABELS if name in runs}
    gaps = {name: [100 * (a / b - 1) for a, b in zip(s, smoothed["bf16"])]
            for name, s in smoothed.items() if name != "bf16"}
    tokens = max((runs[name][1] for name in smoothed), key=len)
    for name, gap in gaps.items():
        last = gap[-(len(gap) // 3):]
        print(f"{options.model}, {LABELS[name]}, {tokens[len(gap) - 1] / 1e6:.2f}M tokens: "
              f"mean |gap| {sum(map(abs, last)) / len(last):.3f}%, "
              f"mean {sum(last) / len(last):+.3f}%, at the end {last[-1]:+.3f}%")
    for name, (_, _, validations) in runs.items():
        worst = [max(v["validation_max_violation"]) for v in validations]
        print(f"{name}: " + ", ".join(
            f"step {v['step']}: loss {v['validation_loss']:.4f} MaxVio {w:.2f}"
            for v, w in list(zip(validations, worst))[-4:]))
    if options.svg:
        options.svg.write_text(draw(options.model, tokens, smoothed, gaps))


if __name__ == "__main__":
    main()
