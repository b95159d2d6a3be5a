#!/usr/bin/env bash
# Usage: tools/dist_finetune.sh DATA_FOLDER GPUS [OPTIONS]; for several nodes see torchrun.sh.
set -euo pipefail

USAGE="usage: $0 DATA_FOLDER GPUS [OPTIONS]"
DATA=${1:?$USAGE}
GPUS=${2:?$USAGE}

exec bash "$(dirname "$0")/torchrun.sh" "$GPUS" \
    finetune.py "$DATA" --launcher pytorch "${@:3}"
