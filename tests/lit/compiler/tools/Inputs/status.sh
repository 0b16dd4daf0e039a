#!/bin/sh
# Runs a command; prints its exit status and the first line of stderr. Fails when stdout is not empty.
out=$("$@" 2>"$STATUS_TMP.stderr")
status=$?
[ -z "$out" ] || { echo "stdout: $out"; exit 1; }
echo "status $status: $(head -n 1 "$STATUS_TMP.stderr")"
