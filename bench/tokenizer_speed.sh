#!/usr/bin/env bash
# Encoding speed of one core beside the Rust tokenizers behind @anush008/tokenizers: the same 5 MB of
# text, the published tokenizer, rounds taken in turn.
#   bench/tokenizer_speed.sh TEXT...     the text files that make up the 5 MB
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -gt 0 ]] || { echo "usage: $0 TEXT..." >&2; exit 2; }
fathom=$PWD/build/release/fathom
tokenizer=$(scripts/fetch_tokenizer.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat "$@" | iconv -f utf-8 -t utf-8 -c | head -c 5000000 | iconv -f utf-8 -t utf-8 -c >"$work/text"
(cd "$work" && npm init -y >/dev/null && npm install --silent --no-audit @anush008/tokenizers@0.6.0 >/dev/null)

cat >"$work/peer.mjs" <<'JS'
import { readFileSync } from 'node:fs';
import { Tokenizer } from '@anush008/tokenizers';
const tokenizer = Tokenizer.fromString(readFileSync(process.argv[2], 'utf8'));
const text = readFileSync(process.argv[3], 'utf8');
const start = process.cpuUsage();
const encoding = await tokenizer.encode(text, null, { addSpecialTokens: false });
const used = process.cpuUsage(start);
console.log((used.user + used.system) / 1e6, encoding.getLength());
JS
for round in 1 2 3; do
  read -r peer peer_ids < <(cd "$work" && RAYON_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false \
    taskset -c 0 node peer.mjs "$tokenizer/tokenizer.json" "$work/text")
  read -r ours our_ids < <(taskset -c 0 "$fathom" tokenize "$tokenizer" --time <"$work/text" 2>&1 >/dev/null)
  echo "round $round: peer $peer s ($peer_ids ids), fathom $ours s ($our_ids ids), $(awk -v p="$peer" -v f="$ours" 'BEGIN { printf "%.1f", p / f }') times as fast"
done
