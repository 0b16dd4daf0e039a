#!/bin/sh
# Runs a model through one pass more at a time and compares every value that the interpreter computes with those of the
# plain model: check_meaning.sh MODEL SCHEME ACTIVATIONS [TARGET]. Prints a line a stage.
model=$1
target=target=${4:-cpu}
pipeline=""

# All logits of two sequences of 3 and 4 tokens, then of one more token each.
values() {
  llmc-opt "$model" "--pass-pipeline=builtin.module($pipeline${pipeline:+,}llm-evaluate{function=$1 sample-all=true full=true})" \
    -o /dev/null | sed "s/^\/\/ $1 /\/\/ /"
}

# stage PASS FUNCTION...: adds the pass, then compares each function.
stage() {
  pipeline="$pipeline${pipeline:+,}$1"
  name=$1
  shift
  for function; do
    found=$(values "$function")
    if [ -n "$found" ] && [ "$found" = "$expected" ]; then result=same; else result=DIFFERENT; fi
    echo "$name @$function: $result"
  done
}

expected=$(values forward)
stage llm-verify-model forward
stage canonicalize forward
stage llm-fuse-horizontal forward
stage "llm-quantize{$target scheme=$2 activations=$3}" forward
stage llm-insert-select-rows forward
stage llm-choose-kv-layout forward
stage llm-add-rope-table forward
stage "llm-split-programs{$target}" decode mixed
stage cse decode mixed
stage "kern-form-kernels{$target}" decode mixed
stage kern-form-fallback decode mixed
stage kern-dedup decode mixed
stage "kern-fetch-ahead{$target}" decode mixed
stage "kern-select-config{$target}" decode mixed
stage "kern-assign-layout{$target}" decode mixed
