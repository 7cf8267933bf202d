#!/usr/bin/env bash
# Runs the tests of the API against a server that says what it is told to.
#   run.sh SCRIPTED_SERVER FATHOM [FILE...]
set -euo pipefail
cd "$(dirname "$0")"
export SCRIPTED_SERVER=$1 FATHOM=$2
shift 2
if [[ $# -eq 0 ]]; then set -- suite/*.test.mjs; fi
exec node --test --test-concurrency=2 "$@"
