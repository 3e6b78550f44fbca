#!/usr/bin/env bash
# From a fresh clone to the first tokens: installs missing packages, builds in
# build/, installs to build/install and runs the default model on 4 ranks.
# Arguments go to waferllm. Only the answer is printed on stdout.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=jobs/setup.sh
. "$top/jobs/setup.sh"

set_up
find_launcher "$top/build/launcher"
say "$launcher -n 4 $top/build/install/bin/waferllm $*"
# shellcheck disable=SC2086 # the launcher is a command with its flags
exec $launcher -n 4 "$top/build/install/bin/waferllm" "$@" </dev/null
