#!/usr/bin/env bash
# Installs the clients' libraries as the lock file names them, and runs the tests with them.
#   run.sh SCRIPTED_SERVER FATHOM [FILE...]
set -euo pipefail
cd "$(dirname "$0")"
export SCRIPTED_SERVER=$1 FATHOM=$2
shift 2
# Several runs may start at once; a copy of the lock file says what is installed.
exec 9>.install.lock
flock 9
if ! cmp -s package-lock.json node_modules/.installed; then
  npm ci --silent
  cp package-lock.json node_modules/.installed
fi
flock -u 9
if [[ $# -eq 0 ]]; then set -- suite/*.test.mjs; fi
# Of a file: the long form kills its server 500 times.
limit=300000
if [[ -n ${FATHOM_LONG_TESTS:-} ]]; then limit=3600000; fi
exec node --test --test-concurrency=2 --test-timeout=$limit "$@"
