#!/usr/bin/env bash
# Installs what is missing, builds, and brings up fathom on the embedded model.
#   ./run.sh            the program's main job
#   ./run.sh ARGS...    any other fathom command
set -euo pipefail
cd "$(dirname "$0")"
scripts/install_packages.sh
scripts/build_web.sh || echo "the chat page could not be built: going on without it" >&2
cmake --preset release -DFATHOM_TESTS=OFF >/dev/null
cmake --build --preset release --target fathom
exec build/release/fathom "${@:-chat}"
