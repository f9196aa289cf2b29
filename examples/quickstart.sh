#!/bin/sh
# Sets the machine up, builds the quickstart and runs it: about 2 minutes the first time, then seconds.
#
#   sh examples/quickstart.sh [--yes] [-v] [FILE.eml]
#
# --yes installs what is missing through sudo; --help shows the quickstart's own options.
set -eu
cd "$(dirname "$0")/.."
yes=
if [ "${1-}" = --yes ]; then yes=--yes; shift; fi
sh tests/setup.sh $yes build
exec cargo run --example quickstart -- "$@"
