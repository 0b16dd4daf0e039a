#!/usr/bin/env bash
# Quantizes a bf16 safetensors folder to 4 bits while building, and asks both engines the same question.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=.cache/smollm2-bf16
[ -x .venv/bin/python ] || examples/install.sh --tests
examples/fetch_smollm2.sh
if [ ! -s "$folder/model.safetensors" ]; then
  .venv/bin/python examples/export_safetensors/export.py .cache/SmolLM2-135M-Instruct.Q4_1.gguf "$folder"
fi
for scheme in w16 w4; do
  build/bin/llmc build "$folder" -o ".cache/smollm2-$scheme.engine" --quant "$scheme" --cpu-levels host --force
  echo "$scheme: $(stat -c %s ".cache/smollm2-$scheme.engine") bytes"
  build/bin/llmc-run ".cache/smollm2-$scheme.engine" --prompt "The capital of France is" --temperature 0 --max-tokens 16
  echo
done
