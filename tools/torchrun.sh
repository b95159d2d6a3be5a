#!/usr/bin/env bash
# Start a script in this folder with torchrun, one process per GPU.
# Usage: tools/torchrun.sh GPUS SCRIPT [ARGUMENTS]; the dist_*.sh call it.
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each. MAX_RESTARTS is the number of
# restarts after a process has failed; training resumes from its last checkpoint.
set -euo pipefail

NNODES=${NNODES:-1}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
NODE_RANK=${NODE_RANK:-0}

# Give the processes a store of their own. torchrun's store would keep the addresses of the processes
# before a restart, and the new processes would wait for them.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
# Seconds until torchrun kills the processes after a signal; training saves a checkpoint first.
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
