#!/usr/bin/env bash
# Builds for this machine and leaves the IR after each pass, and each kernel's text, as numbered files.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=.cache/inspect_ir
examples/fetch_smollm2.sh
rm -rf "$out"
mkdir -p "$out"
build/bin/llmc build .cache/SmolLM2-135M-Instruct.Q4_1.gguf -o "$out/smollm2.engine" --cpu-levels host --quiet \
  --print-ir-after=all --dump-dir "$out"
ls "$out"
echo
echo "The first product of layer 0, as imported:"
grep -m 1 -n "llm.linear" "$out"/*import* | head -n 1
