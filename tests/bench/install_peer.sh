#!/usr/bin/env bash
# Puts the Python side of the end-to-end checks and benchmarks in .venv: numpy, tokenizers and a natively built llama.cpp.
# Usage: tests/bench/install_peer.sh [--no-peer|--avx2|--no-openmp]     (idempotent; --no-peer leaves llama.cpp out, it builds for minutes)
#   --avx2       llama.cpp as a CPU without AVX-512 and AVX-VNNI builds it, in a venv of its own: LLMC_VENV=~/avx2 install_peer.sh --avx2
#   --no-openmp  llama.cpp with its own threads, in a venv of its own
set -euo pipefail
usage="usage: tests/bench/install_peer.sh [--no-peer|--avx2|--no-openmp]     (into .venv, or \$LLMC_VENV; --no-peer leaves llama.cpp out)"
with_peer=yes
openmp=ON
instructions="-DGGML_NATIVE=ON"
for argument in "$@"; do
  case "$argument" in
    -h|--help) echo "$usage"; exit 0 ;;
    --no-peer) with_peer= ;;
    --no-openmp) openmp=OFF ;;
    --avx2) instructions="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX=ON -DGGML_SSE42=ON" ;;
    *) printf 'error: unknown argument %q\n%s\n' "$argument" "$usage" >&2; exit 64 ;;
  esac
done
cd "$(dirname "$0")/../.."
venv="${LLMC_VENV:-$PWD/.venv}"
peer="llama-cpp-python==0.3.36"

if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
fi
py="$venv/bin/python"
"$py" -m pip install -q --disable-pip-version-check -r tests/e2e/requirements.txt
if [ -z "$with_peer" ]; then
  exit 0
fi
if "$py" -m pip freeze --disable-pip-version-check | grep -qx "llama_cpp_python==0.3.36"; then
  echo "llama.cpp is there already"
  exit 0
fi
# Native flags, OpenMP, repacked weights and llamafile kernels are llama.cpp's own defaults; they are named so that a
# change of default cannot weaken the peer unseen.
export CMAKE_ARGS="$instructions -DGGML_OPENMP=$openmp -DGGML_CPU_REPACK=ON -DGGML_LLAMAFILE=ON -DLLAVA_BUILD=OFF"
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-2}"
# No cache: pip takes a wheel that was built with other flags for this one.
nice "$py" -m pip install --disable-pip-version-check --no-cache-dir --no-binary llama-cpp-python "$peer"
