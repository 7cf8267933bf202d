#!/usr/bin/env bash
# Installs what is missing, builds, and passes every test.
#   ./test.sh           the release build, as CI runs it
#   ./test.sh PRESET    another: dev, asan, tsan
set -euo pipefail
cd "$(dirname "$0")"
preset="${1:-release}"
scripts/install_packages.sh --tests
python3 scripts/check_includes.py
scripts/check_format.sh
[[ "$preset" != release ]] || scripts/check_tidy.sh
scripts/build_web.sh
cmake --preset "$preset" -DFATHOM_TESTS=ON >/dev/null
cmake --build --preset "$preset"
node=$(scripts/fetch_node.sh)
export PATH="${node:+$node:}$PATH"
# The published tokenizer, which tests check themselves against.
FATHOM_V3_TOKENIZER=$(scripts/fetch_tokenizer.sh)
export FATHOM_V3_TOKENIZER
FATHOM_JSON_SUITES=$(scripts/fetch_json_suites.sh)
export FATHOM_JSON_SUITES
ctest --preset "$preset"
