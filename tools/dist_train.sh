#!/usr/bin/env bash
# Usage: tools/dist_train.sh CONFIG GPUS [OPTIONS]; for several nodes see torchrun.sh.
set -euo pipefail

USAGE="usage: $0 CONFIG GPUS [OPTIONS]"
CONFIG=${1:?$USAGE}
GPUS=${2:?$USAGE}

exec bash "$(dirname "$0")/torchrun.sh" "$GPUS" \
    train.py "$CONFIG" --launcher pytorch "${@:3}"
