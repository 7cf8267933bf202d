#!/usr/bin/env bash
# Builds the chat page into web/dist, which the next CMake run takes into the program. Does nothing
# when it is newer than its sources, and leaves the page out, with a word, without Node 18 or newer.
set -euo pipefail
cd "$(dirname "$0")/../web"

sources=(src public plugins index.html csp.txt package.json package-lock.json vite.config.ts svelte.config.js tsconfig.json)
if [[ -f dist/index.html && -z $(find "${sources[@]}" -newer dist/index.html -print -quit) ]]; then
  exit 0
fi
major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/' || true)
if [[ -z $major || $major -lt 18 ]] || ! command -v npm >/dev/null; then
  echo "$0: no Node.js 18 or newer: the chat page is left out" >&2
  exit 0
fi
npm ci --silent
npm run --silent build
touch dist/index.html
