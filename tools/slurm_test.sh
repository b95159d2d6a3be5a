#!/usr/bin/env bash
# Usage: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [OPTIONS]; for GPUS see srun.sh.
set -euo pipefail

USAGE="usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [OPTIONS]"
PARTITION=${1:?$USAGE}
JOB_NAME=${2:?$USAGE}
CONFIG=${3:?$USAGE}
CHECKPOINT=${4:?$USAGE}

exec bash "$(dirname "$0")/srun.sh" "$PARTITION" "$JOB_NAME" \
    test.py "$CONFIG" "$CHECKPOINT" --launcher=slurm "${@:5}"
