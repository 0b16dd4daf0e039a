#!/bin/sh
# Prints the first line of each kernel's text: lower_model.sh MODEL SCHEME ARCH. Fails when an op has no code.
t=target=cuda
passes="llm-verify-model,canonicalize,llm-fuse-horizontal,llm-quantize{$t scheme=$2 activations=auto},llm-insert-select-rows"
passes="$passes,llm-choose-kv-layout,llm-add-rope-table,llm-split-programs{$t},cse,kern-form-kernels{$t},kern-form-fallback"
passes="$passes,kern-dedup,kern-select-config{$t},kern-assign-layout{$t},kern-lower-cuda{arch=$3}"
text=$(llmc-opt "$1" "--pass-pipeline=builtin.module($passes)") || exit 1
echo "$text" | grep " of kern.func "
echo "all kernels have text"
