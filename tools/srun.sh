#!/usr/bin/env bash
# Start a script in this folder with Slurm's srun, one process per GPU.
# Usage: tools/srun.sh PARTITION JOB_NAME SCRIPT [ARGUMENTS]; slurm_train.sh and slurm_test.sh call it.
# The environment sets GPUS, GPUS_PER_NODE, CPUS_PER_TASK and SRUN_ARGS.
set -euo pipefail

GPUS_PER_NODE=${GPUS_PER_NODE:-8}

# shellcheck disable=SC2086  # SRUN_ARGS holds several arguments
exec srun -p "$1" \
    --job-name="$2" \
    --gres="gpu:$GPUS_PER_NODE" \
    --ntasks="${GPUS:-8}" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    python -u "$(dirname "$0")/$3" "${@:4}"
