#!/bin/sh
# Barriers of one layer of each program: phases from the launch that reads the cache of layer 0 to that of layer 1.
# count_barriers.sh MODEL SCHEME [HEAD_DIM [WIDTH]]     the models have heads of 16; 32 halves their number; WIDTH instead of 96 columns of feed-forward
quiet="llm-verify-model,canonicalize,llm-fuse-horizontal,llm-quantize{scheme=$2},llm-insert-select-rows,llm-choose-kv-layout"
quiet="$quiet,llm-add-rope-table,llm-split-programs,cse,kern-form-kernels,kern-form-fallback,kern-dedup,kern-fetch-ahead,kern-select-config"
edit="s/heads = 2, dim = 16/heads = 1, dim = 32/; s/dim = 16/dim = 32/; s/heads = 4/heads = 2/"
[ "$3" = 32 ] || edit=
edit="$edit; s/96/${4:-96}/g"
sed "$edit" "$1" | llmc-opt "--pass-pipeline=builtin.module($quiet,kern-assign-layout,plan-build,plan-memory,plan-verify)" 2>/dev/null |
  awk '/plan.program/ {program = $2; inside = 0; count = 0}
       /plan.phase/ && inside {++count}
       /plan.launch @attend/ && /layer = 0/ {inside = 1}
       /plan.launch @attend/ && /layer = 1/ {print program, count, "barriers a layer"; inside = 0}'
