#!/bin/sh
# Sets the machine up and runs all tests: about 10 minutes, most of the first run is the build.
#
#   sh tests/run.sh [--yes] [argument of cargo test]...
#
# --yes installs what is missing through sudo. The last line says which tests were left out, and why.
set -eu
cd "$(dirname "$0")/.."
yes=
if [ "${1-}" = --yes ]; then yes=--yes; shift; fi
sh tests/setup.sh $yes test
exec cargo test "$@"
