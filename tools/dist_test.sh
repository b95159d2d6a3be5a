#!/usr/bin/env bash
# Usage: tools/dist_test.sh CONFIG CHECKPOINT GPUS [OPTIONS]; for several nodes see torchrun.sh.
set -euo pipefail

USAGE="usage: $0 CONFIG CHECKPOINT GPUS [OPTIONS]"
CONFIG=${1:?$USAGE}
CHECKPOINT=${2:?$USAGE}
GPUS=${3:?$USAGE}

exec bash "$(dirname "$0")/torchrun.sh" "$GPUS" \
    test.py "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
