#!/usr/bin/env bash
# Serves SmolLM2 and lets clients that were not written for llmc use it, each from a venv of its own with pinned packages.
# Usage: examples/clients/run.sh [openai|anthropic|langchain|litellm|evalscope|vllm]...   (default: openai anthropic)
set -euo pipefail
cd "$(dirname "$0")/../.."
here=examples/clients
engine="${LLMC_ENGINE:-.cache/smollm2.engine}"
bin="${LLMC_BIN:-build/bin}"
venvs="${LLMC_CLIENT_VENVS:-.cache/clients}"
[ "$#" -gt 0 ] || set -- openai anthropic

# Packages, and what they take with all that they need.
packages() {
  case "$1" in
    openai) echo openai==3.52.0 ;;                                                      # 70 MB
    anthropic) echo anthropic==2.11.0 ;;                                                # 80 MB
    langchain) echo langchain-openai==1.7.3 langchain-core==1.7.2 ;;                    # 130 MB
    litellm) echo litellm==1.106.2 mcp==2.3.0 ;;                                        # 360 MB; responses() imports mcp
    evalscope) echo 'evalscope[perf]==1.14.1' ;;                                        # 1.2 GB
    vllm) echo aiohttp==3.14.5 numpy==2.4.6 tqdm==4.70.1 regex==2026.11.15 ;;           # 90 MB, and a wheel of 320 MB
    *) echo "run.sh: no client '$1'; see the head of $0" >&2; return 2 ;;
  esac
}

python_of() { # a venv with the client's packages
  local venv="$venvs/$1" wanted
  wanted="$(packages "$1")"
  if [ "$(cat "$venv/packages" 2> /dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    # shellcheck disable=SC2086  # a list of packages
    "$venv/bin/pip" install -q --disable-pip-version-check $wanted >&2
    if [ "$1" = vllm ]; then
      # The package needs torch and CUDA to be imported; its benchmark's own code does not.
      "$venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$venv/wheel" vllm==0.33.0 >&2
      "$venv/bin/python" - "$venv" << 'PYTHON'
import pathlib, sys, zipfile
venv = pathlib.Path(sys.argv[1])
wheel = next((venv / "wheel").glob("vllm-*.whl"))
with zipfile.ZipFile(wheel) as file:
    file.extractall(venv, [name for name in file.namelist() if name.startswith("vllm/benchmarks/")])
wheel.unlink()
PYTHON
    fi
    echo "$wanted" > "$venv/packages"
  fi
  echo "$venv/bin/python"
}

for client in "$@"; do packages "$client" > /dev/null; done
if [ ! -s "$engine" ]; then
  examples/fetch_smollm2.sh
  "$bin/llmc" build .cache/SmolLM2-135M-Instruct.Q4_1.gguf -o "$engine" --cpu-levels host --quiet --force
fi
log="$(mktemp)"
# The scripts compare greedy answers, and a prompt from the cache has other roundings than one that is computed.
"$bin/llmc-run" "$engine" --port 0 --served-model-name smollm2 --no-prefix-cache 2> "$log" &
server=$!
trap 'kill "$server" 2> /dev/null || true; wait "$server" 2> /dev/null || true; rm -f "$log"' EXIT
until url="$(sed -n 's/^ready on \(http[^ ]*\) .*/\1/p' "$log")" && [ -n "$url" ]; do
  kill -0 "$server" 2> /dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.1
done

for client in "$@"; do
  python="$(python_of "$client")"
  echo "== $client"
  case "$client" in
    evalscope) "$python" "$here/evalscope_perf.py" "$url" smollm2 ;;
    vllm) "$python" "$here/vllm_bench.py" "$venvs/vllm" "$url" smollm2 ;;
    *) "$python" "$here/${client}_client.py" "$url" smollm2 ;;
  esac
done
