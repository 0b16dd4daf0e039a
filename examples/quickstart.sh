#!/usr/bin/env bash
# From a fresh Debian 12 to an answer: installs what is needed, builds llmc, compiles a 135M model, asks it a question.
# Usage: examples/quickstart.sh [QUESTION]
set -euo pipefail
cd "$(dirname "$0")/.."
question="${1:-Why is the sky blue?}"

examples/install.sh
cmake --preset release
cmake --build build -j "${LLMC_JOBS:-$(nproc)}" --target llmc llmc-run
examples/fetch_smollm2.sh

build/bin/llmc build .cache/SmolLM2-135M-Instruct.Q4_1.gguf -o .cache/smollm2.engine --force
echo
echo "> $question"
build/bin/llmc-run .cache/smollm2.engine --message "$question" --max-tokens 100
