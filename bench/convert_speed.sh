#!/usr/bin/env bash
# How fast `fathom convert --to bf16` is beside a plain copy that moves the same bytes (each read
# once, two written for each), and the memory that it takes beyond the page cache.
#   bench/convert_speed.sh [DIR] [ROUNDS]     DIR: a disk with 30 GB free (default: a temporary one)
set -euo pipefail
cd "$(dirname "$0")/.."
fathom=build/release/fathom
work=$(mktemp -d -p "${1:-${TMPDIR:-/tmp}}")
rounds=${2:-3}
trap 'rm -rf "$work"' EXIT

# 4 GB in FP8: the widths of bench/configs/mini.json, cut to seven layers.
"$fathom" synth bench/configs/mini.json "$work/fp8" --layers 7 >/dev/null
bytes=$(du -sb "$work/fp8" | cut -f1)
echo "source: $((bytes / 1000000)) MB"

now() { date +%s.%N; }
since() { awk -v start="$1" -v end="$(now)" 'BEGIN { printf "%.2f", end - start }'; }
# Reads a shard once and writes it twice, as many bytes as the conversion writes.
copy() {
  mkdir "$work/copy"
  for shard in "$work"/fp8/*.safetensors; do
    tee "$work/copy/$(basename "$shard").1" <"$shard" >"$work/copy/$(basename "$shard").2"
  done
  sync "$work"/copy/*
}
# The largest RssAnon that process $1 shows until it ends: its memory beyond the page cache, in kB.
peak_anonymous() {
  local peak=0 kb
  while kb=$(awk '/^RssAnon/ { print $2 }' "/proc/$1/status" 2>/dev/null) && [[ -n $kb ]]; do
    ((kb > peak)) && peak=$kb
    sleep 0.05
  done
  echo "$peak"
}

for ((round = 1; round <= rounds; round++)); do
  start=$(now)
  copy
  copied=$(since "$start")
  rm -r "$work/copy"
  start=$(now)
  "$fathom" convert "$work/fp8" "$work/bf16" --to bf16 >/dev/null 2>&1 &
  peak=$(peak_anonymous $!)
  wait $!
  converted=$(since "$start")
  rm -r "$work/bf16"
  echo "round $round: copy $copied s, convert $converted s," \
    "$(awk -v c="$copied" -v f="$converted" 'BEGIN { printf "%.2f", c / f }') of the copy's speed," \
    "at most $((peak / 1000)) MB beyond the page cache"
done
