#!/usr/bin/env bash
# Two replicas on loopback behind nginx and HAProxy (installed by apt if missing), each restarted under load.
set -euo pipefail
cd "$(dirname "$0")/../.."
missing=()
for program in nginx haproxy; do
  command -v "$program" > /dev/null || [ -x "/usr/sbin/$program" ] || missing+=("$program")
done
if [ "${#missing[@]}" -gt 0 ]; then
  asRoot=()
  [ "$(id -u)" = 0 ] || asRoot=(sudo)
  "${asRoot[@]}" apt-get update -qq
  # The packages' own services are not wanted: port 80 is none of ours.
  "${asRoot[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
    "${missing[@]/nginx/nginx-light}"
fi
engine=.cache/smollm2.engine
examples/fetch_smollm2.sh
[ -f "$engine" ] || build/bin/llmc build .cache/SmolLM2-135M-Instruct.Q4_1.gguf -o "$engine" --cpu-levels host --quiet
python3 examples/replicas/rolling_restart.py --engine "$engine"
