#!/usr/bin/env bash
# Trains the embedded model again, from text to export, in RUN (default: ./fathom-10m-run): about 140
# minutes on two cores. The tokenizer is the one in models/fathom-10m; `tokenizer` as the second
# argument learns it anew. STEPS=N gives every part N steps and makes few lessons, to see that all of
# it works.
#   [STEPS=N] scripts/train_embedded.sh [RUN] [tokenizer]
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
fathom="${FATHOM:-$root/build/release/fathom}"
run=$(mkdir -p "${1:-fathom-10m-run}" && cd "${1:-fathom-10m-run}" && pwd)
text=$("$root/scripts/fetch_training_text.sh")
cd "$run"

if [[ "${2:-}" == tokenizer ]]; then
  "$fathom" data --suite lessons --split train --count 40000 --seed 7 --out sample.jsonl
  awk 'NR % 4 == 1' "$text/glosses.jsonl" > glosses.jsonl
  awk 'NR % 8 == 1' "$text/poems.jsonl" > poems.jsonl
  "$fathom" train-tokenizer sample.jsonl glosses.jsonl poems.jsonl "$text/names.jsonl" \
    --vocab 4096 --context 4096 --out tokenizer
else
  mkdir -p tokenizer
  cp "$root"/models/fathom-10m/tokenizer{,_config}.json tokenizer/
fi

lessons() {  # NAME COUNT FLAGS...
  local name=$1 count=$2
  shift 2
  [[ -n "${STEPS:-}" ]] && count=$((count / 100))
  "$fathom" data --suite lessons --count "$count" "$@" --out "$name.jsonl"
}
bin() {  # NAME SEED FLAGS... INPUTS...
  local name=$1 seed=$2
  shift 2
  "$fathom" data "$@" --tokenizer tokenizer --vocab 4096 --sequence 2048 --seed "$seed" --out "$name.bin"
}
lessons lessons 560000 --split train --seed 61
"$fathom" data --suite lessons --split heldout --count 1500 --seed 12 --out heldout.jsonl
lessons drills 30000 --task drill --split train --seed 31
lessons more 250000 --split train --seed 71
lessons focus 120000 --task retrieval --task copy --task compare --task copy --task compare \
  --task copy --split train --seed 72
lessons last 220000 --split train --seed 81
lessons last-focus 160000 --task retrieval --task numbers --task compare --task numbers \
  --task tool_call --task copy --task sort --split train --seed 82
lessons sure 70000 --split train --seed 91
lessons sure-focus 60000 --task retrieval --task reverse --task copy --task reverse \
  --task retrieval --task unknown --task compare --task reverse --task subtract --task numbers \
  --split train --seed 92
bin lessons 1 lessons.jsonl
bin heldout 1 heldout.jsonl
bin drills 5 drills.jsonl
bin more 6 more.jsonl
bin focus 7 focus.jsonl
bin last 6 last.jsonl
bin last-focus 7 last-focus.jsonl
bin sure 6 sure.jsonl
bin sure-focus 7 sure-focus.jsonl
bin text 1 "$text/glosses.jsonl" "$text/poems.jsonl" "$text/names.jsonl" --split train --fim 0.1

# Four parts of one run, each going on from the state of the one before, and three runs more, each
# of which begins with the export before it.
cp "$root"/models/configs/embedded.json .
cp "$root"/models/configs/fathom-10m/*.toml .
steps=0
for part in 1-begin 2-drills 3-lessons 4-settle 5-more 6-last 7-sure; do
  if [[ -n "${STEPS:-}" ]]; then
    [[ $part == [567]-* ]] && steps=0
    steps=$((steps + STEPS))  # of all parts of the run up to this one
    sed -i "s/^warmup = .*/warmup = 0/; s/^constant = .*/constant = $steps/; s/^decay = .*/decay = 0/" \
      "$part.toml"
  fi
  "$fathom" train "$part.toml" --resume
done
echo "$run/sure/export"
