#!/usr/bin/env bash
# Installs the tests' packages as the lock files name them and runs the tests: what is given, or all.
#   run.sh units          the page's parts, without a browser
#   run.sh pictures       pictures of the page, into artifacts/screenshots
#   run.sh [FILE...]      the page in a browser
set -euo pipefail
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "$0: the page's tests need Node.js 18 or newer and npm" >&2; exit 1; }
readonly page=../../../web

# A stamp of the lock file says what is installed.
install() {
  cmp -s "$1/package-lock.json" "$1/node_modules/.installed" && return
  npm ci --silent --prefix "$1"
  cp "$1/package-lock.json" "$1/node_modules/.installed"
}

# Several runs may start at once.
exec 9>.install.lock
flock 9
install "$page"
if [[ "${1:-}" == units ]]; then
  flock -u 9
  cd "$page"
  npm run --silent check
  exec npm run --silent test
fi
install .
[[ -f $page/dist/index.html ]] || npm run --silent build --prefix "$page"
flock -u 9
[[ "${1:-}" == pictures ]] && exec node screenshots.mjs
exec node run.mjs "$@"
