#!/usr/bin/env bash
# What llmc-run may be linked with (C and C++ libraries, line editing) and how large it may be without symbols (15 MB).
# Usage: tests/tools/check_binaries.sh BIN_DIR
set -uo pipefail
program="$1/llmc-run"
allowed='linux-vdso|ld-linux-x86-64|libc|libm|libdl|libpthread|libgcc_s|libstdc\+\+|libedit|libtinfo|libbsd|libmd'
passed=0
failed=0

verdict() { # words, then the status of the command before
  if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED $1"; fi
}

others="$(ldd "$program" | awk '{print $1}' | sed 's|.*/||' | grep -Ev "^($allowed)\.so" || true)"
[ -z "$others" ]
verdict "llmc-run is linked with: $others" $?

copy="$(mktemp)"
llvm-strip-22 -o "$copy" "$program"
bytes="$(stat -c %s "$copy")"
rm -f "$copy"
echo "llmc-run without symbols: $((bytes / 1024)) KiB"
[ "$bytes" -le 15000000 ]
verdict "llmc-run without symbols has $bytes bytes" $?

text="$("$program" --help 2>&1)" && [ -n "$text" ]
verdict "llmc-run --help" $?
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
