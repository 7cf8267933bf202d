#!/usr/bin/env bash
# Prints the folder of a Node for the tests, where the system's own (Debian 12 has 18) is older than
# the 20 that the browser's driver asks for: the `node` and `npm` packages of the npm registry, once.
# Prints nothing where the system's will do.
set -euo pipefail
cd "$(dirname "$0")/.."
major=$(node --version | sed -E 's/^v([0-9]+).*/\1/')
[[ "$major" -lt 20 ]] || exit 0
tools="$PWD/build/tools"
if [[ ! -x "$tools/node_modules/.bin/npm" || ! -x "$tools/node_modules/.bin/node" ]]; then
  mkdir -p "$tools"
  npm install --silent --no-audit --no-fund --prefix "$tools" node@20.19.5 npm@10.9.3 >&2
fi
echo "$tools/node_modules/.bin"
