#!/usr/bin/env bash
# Fails when a C++ file is not as clang-format 14 leaves it. `--fix` rewrites instead.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run -Werror)
[[ "${1:-}" == --fix ]] && mode=(-i)
git ls-files -z -- 'src/*.h' 'src/*.cc' 'tests/*.h' 'tests/*.cc' 'bench/*.cc' 'examples/*.cc' 'include/*.h' |
  xargs -0 -r -n 64 -P 2 clang-format "${mode[@]}"
echo "format: clean"
