#!/usr/bin/env bash
# Runs the checks of .clang-tidy: over the rooms that compile as one piece, whose headers are then
# read once for the room and not for each file; with --all over every source file.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset tidy >/dev/null
# g++'s own flags mean nothing to clang; its warnings are the compiler's business, not tidy's.
python3 - "${1:-}" <<'END' | xargs -0 -n 1 -P "$(nproc)" clang-tidy-16 -p build/tidy --quiet --extra-arg=-Wno-everything
import json, re, sys
whole = sys.argv[1] != "--all"
# Their files give different things one name, each in its own unnamed namespace.
apart = re.compile(r"src/(cli|eval|train|bench)/")
for command in json.load(open("build/tidy/compile_commands.json")):
    file = command["file"]
    if not (whole and apart.search(file)):
        print(file, end="\0")
END
echo "tidy: clean"
