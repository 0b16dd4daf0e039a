#!/bin/sh
# Barriers of one layer of each program: phases from the launch that writes the cache of layer 0 to that of layer 1.
# count_barriers.sh MODEL SCHEME
quiet="llm-verify-model,canonicalize,llm-fuse-horizontal,llm-quantize{scheme=$2},llm-insert-select-rows,llm-choose-kv-layout"
quiet="$quiet,llm-add-rope-table,llm-split-programs,cse,kern-form-kernels,kern-form-fallback,kern-dedup,kern-select-config"
llmc-opt "$1" "--pass-pipeline=builtin.module($quiet,kern-assign-layout,plan-build,plan-memory,plan-verify)" 2>/dev/null |
  awk '/plan.program/ {program = $2; inside = 0; count = 0}
       /plan.phase/ && inside {++count}
       /plan.launch @kv_write/ && /layer = 0/ {inside = 1}
       /plan.launch @kv_write/ && /layer = 1/ {print program, count, "barriers a layer"; inside = 0}'
