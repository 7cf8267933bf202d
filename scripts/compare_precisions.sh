#!/usr/bin/env bash
# Trains the same model on the same data with FP8, with BF16, and as a control with BF16 and another
# seed of the moments' stochastic rounding, in RUN (default: ./precision-runs): 20.5M tokens on the
# nano architecture, 5.0M on the embedded model's; and the first 4.1M of the nano with balancing off.
# About two hours on one core; started again, it goes on. scripts/compare_losses.py reads the logs.
#   scripts/compare_precisions.sh [RUN]
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
fathom="${FATHOM:-$root/build/release/fathom}"
run=$(mkdir -p "${1:-precision-runs}" && cd "${1:-precision-runs}" && pwd)
text=$("$root/scripts/fetch_training_text.sh")
cd "$run"
cp "$root"/models/configs/{nano,embedded}.json .

documents() {  # NAME VOCABULARY SPLIT INPUTS...
  local name=$1 vocabulary=$2 split=$3
  shift 3
  [[ -e "$name-$vocabulary.bin" ]] || "$fathom" data "$@" --tokenizer "tokenizer-$vocabulary" \
    --vocab "$vocabulary" --split "$split" --out "$name-$vocabulary.bin"
}
if [[ ! -e lessons-heldout.jsonl ]]; then
  "$fathom" data --suite lessons --split train --count 120000 --seed 61 --out lessons.jsonl
  "$fathom" data --suite lessons --split heldout --count 3000 --seed 12 --out lessons-heldout.jsonl
  awk 'NR % 4 == 1' "$text/glosses.jsonl" > glosses.jsonl
  awk 'NR % 8 == 1' "$text/poems.jsonl" > poems.jsonl
  "$fathom" train-tokenizer glosses.jsonl poems.jsonl "$text/names.jsonl" --vocab 512 \
    --context 2048 --out tokenizer-512
  mkdir -p tokenizer-4096
  cp "$root"/models/fathom-10m/tokenizer{,_config}.json tokenizer-4096/
fi
for vocabulary in 512 4096; do
  texts=("$text"/{glosses,poems,names}.jsonl)
  documents text "$vocabulary" train "${texts[@]}"
  documents text-heldout "$vocabulary" heldout "${texts[@]}"
  documents lessons "$vocabulary" all lessons.jsonl
  documents lessons-heldout "$vocabulary" all lessons-heldout.jsonl
done

train() {  # MODEL NAME SED-SCRIPT: the model's configuration, changed
  sed "s/^dir = .*/dir = \"$1-$2\"/; $3" "$root/models/configs/compare/$1.toml" > "$1-$2.toml"
  "$fathom" train "$1-$2.toml" --resume
}
for model in nano embedded; do
  train "$model" fp8 's/^precision = .*/precision = "fp8"/'
  train "$model" bf16 ''
  train "$model" control 's/^rounding_seed = .*/rounding_seed = 2/'
done
train nano unbalanced 's/^constant = .*/constant = 400/; s/^decay = .*/decay = 0/
  $a [objective]\ngamma = 0.0\nbalance_alpha = 0.0'
