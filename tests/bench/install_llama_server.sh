#!/usr/bin/env bash
# Builds llama.cpp's own server and batched bench from the source inside the llama-cpp-python package of install_peer.sh.
# Usage: tests/bench/install_llama_server.sh [--avx2] [FOLDER]     (default .venv/llama.cpp; idempotent; builds for minutes)
#   --avx2   as a CPU without AVX-512 and AVX-VNNI builds it, to be put beside LLMC_CPU_LEVEL=x86-64-v3 (give a FOLDER of its own)
set -euo pipefail
cd "$(dirname "$0")/../.."
venv="${LLMC_VENV:-$PWD/.venv}"
instructions="-DGGML_NATIVE=ON"
if [ "${1:-}" = --avx2 ]; then
  instructions="$(sed -n 's/^ *--avx2) instructions="\(.*\)" ;;$/\1/p' tests/bench/install_peer.sh)"
  : "${instructions:?install_peer.sh does not say its flags of --avx2 in one line}"
  shift
fi
folder="${1:-$venv/llama.cpp}"
peer="$(sed -n 's/^peer="\(.*\)"$/\1/p' tests/bench/install_peer.sh)"

if [ -x "$folder/build/bin/llama-server" ]; then
  echo "llama-server is there already: $folder/build/bin"
  exit 0
fi
mkdir -p "$folder/sdist"
if ! ls "$folder"/sdist/*.tar.gz > /dev/null 2>&1; then
  "$venv/bin/python" -m pip download -q --disable-pip-version-check --no-deps --no-binary :all: -d "$folder/sdist" "$peer"
fi
tar -xzf "$folder"/sdist/*.tar.gz -C "$folder" --strip-components=3 --wildcards '*/vendor/llama.cpp/*'
# The flags of install_peer.sh. The web page and TLS are left out: they take no part in a measurement.
# shellcheck disable=SC2086  # a list of flags
cmake -S "$folder" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release $instructions -DGGML_OPENMP=ON -DGGML_CPU_REPACK=ON \
  -DGGML_LLAMAFILE=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF \
  -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_UI=OFF > "$folder/configure.log"
nice cmake --build "$folder/build" --target llama-server llama-batched-bench -j "${CMAKE_BUILD_PARALLEL_LEVEL:-2}"
"$folder/build/bin/llama-server" --version
