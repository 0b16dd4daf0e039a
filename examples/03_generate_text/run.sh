#!/usr/bin/env bash
# The ways to ask an engine: raw completion, chat turn, JSON with log probabilities, token ids, speed.
set -euo pipefail
cd "$(dirname "$0")/../.."
engine=.cache/smollm2.engine
examples/fetch_smollm2.sh
build/bin/llmc build .cache/SmolLM2-135M-Instruct.Q4_1.gguf -o "$engine" --cpu-levels host --quiet --force
run() { echo "\$ llmc-run ENGINE $*"; build/bin/llmc-run "$engine" "$@"; echo; }
run --prompt "The three primary colours are" --temperature 0 --max-tokens 24
run --message "Write one sentence about the sea." --system "You are a poet." --seed 7 --max-tokens 40
run --prompt "Two plus two is" --temperature 0 --max-tokens 2 --logprobs 3 --json
run --tokenize "Hello, world"
run --bench --prompt-tokens 64 --output-tokens 16 --repeat 1
