#!/usr/bin/env bash
# Usage: tools/dist_train.sh CONFIG GPUS [OPTIONS]
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail

CONFIG=${1:?usage: $0 CONFIG GPUS [OPTIONS]}
GPUS=${2:?usage: $0 CONFIG GPUS [OPTIONS]}

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
