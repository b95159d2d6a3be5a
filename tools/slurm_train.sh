#!/usr/bin/env bash
# Usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [OPTIONS]; for GPUS see srun.sh.
set -euo pipefail

USAGE="usage: $0 PARTITION JOB_NAME CONFIG WORK_DIR [OPTIONS]"
PARTITION=${1:?$USAGE}
JOB_NAME=${2:?$USAGE}
CONFIG=${3:?$USAGE}
WORK_DIR=${4:?$USAGE}

exec bash "$(dirname "$0")/srun.sh" "$PARTITION" "$JOB_NAME" \
    train.py "$CONFIG" --work-dir="$WORK_DIR" --launcher=slurm "${@:5}"
