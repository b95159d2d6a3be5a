#!/usr/bin/env bash
# Start a script of this folder with torchrun, one process a GPU.
# Usage: tools/torchrun.sh GPUS SCRIPT [ARGUMENTS]; the dist_*.sh call it.
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each. MAX_RESTARTS says how often the
# processes are started again after one has failed; training goes on from its last checkpoint.
set -euo pipefail

NNODES=${NNODES:-1}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
NODE_RANK=${NODE_RANK:-0}

# A store of their own for the processes: that of torchrun would tell those of a restart the
# addresses of the ones before, which they would then wait for.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
# How long the processes may take to end when it is told to stop; those that train save first.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-600}
exec python "$(dirname "$0")/torchrun.py" \
    --nnodes="$NNODES" \
    --nproc-per-node="$1" \
    --max-restarts="${MAX_RESTARTS:-0}" \
    --rdzv-backend=c10d \
    --rdzv-endpoint="$MASTER_ADDR:${PORT:-29500}" \
    --rdzv-conf="is_host=$((NODE_RANK == 0))" \
    $([[ $NNODES == 1 ]] && echo --local-addr="$MASTER_ADDR") \
    "$(dirname "$0")/$2" "${@:3}"
