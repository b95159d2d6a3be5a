#!/usr/bin/env bash
# Usage: tools/dist_test.sh CONFIG CHECKPOINT GPUS [OPTIONS]
# Several nodes: set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail

CONFIG=${1:?usage: $0 CONFIG CHECKPOINT GPUS [OPTIONS]}
CHECKPOINT=${2:?usage: $0 CONFIG CHECKPOINT GPUS [OPTIONS]}
GPUS=${3:?usage: $0 CONFIG CHECKPOINT GPUS [OPTIONS]}

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$GPUS" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
