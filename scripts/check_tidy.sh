#!/usr/bin/env bash
# Runs the checks of .clang-tidy over the sources named on the command line, or over all that differ
# from the commit named by --since, on the compile commands of build/dev.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -f build/dev/compile_commands.json ]] || cmake --preset dev >/dev/null
if [[ "${1:-}" == --since ]]; then
  mapfile -t files < <(git diff --name-only --diff-filter=d "$2" -- 'src/*.cc')
elif [[ $# -gt 0 ]]; then
  files=("$@")
else
  mapfile -t files < <(git ls-files 'src/*.cc')
fi
# g++'s own flags mean nothing to clang; its warnings are the compiler's business, not tidy's.
printf '%s\0' "${files[@]}" |
  xargs -0 -r -n 4 -P 2 clang-tidy -p build/dev --quiet --extra-arg=-Wno-everything
echo "tidy: ${#files[@]} files clean"
