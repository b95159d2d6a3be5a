#!/usr/bin/env bash
# Start a script of this folder with torchrun, one process a GPU.
# Usage: tools/torchrun.sh GPUS SCRIPT [ARGUMENTS]; dist_train.sh and dist_test.sh call it.
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$1" \
    "$(dirname "$0")/$2" "${@:3}"
