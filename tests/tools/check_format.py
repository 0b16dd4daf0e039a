"""Compares every C++ file with what clang-format-22 makes of it; a file that differs must stand in format_baseline.txt.

Usage: tests/tools/check_format.py [--list | --fix | --fix-all]
  --list     also names the baseline files that still differ
  --fix      rewrites the files that differ and are not in the baseline
  --fix-all  rewrites every file and empties the baseline
The baseline may only shrink: it holds files that were written before the formatter was introduced.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE = pathlib.Path(__file__).with_name("format_baseline.txt")


def differs(path: str) -> bool:
    run = subprocess.run(["clang-format-22", "--dry-run", "-Werror", path], cwd=ROOT, capture_output=True)
    return run.returncode != 0


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.cc", "*.cpp", "*.h", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [path for path in listed.stdout.split() if (ROOT / path).exists()]
    if "--fix-all" in sys.argv[1:]:
        BASELINE.write_text("")
    baseline = set(BASELINE.read_text().split()) if BASELINE.exists() else set()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        different = {path for path, bad in zip(files, pool.map(differs, files)) if bad}
    fresh = sorted(different - baseline)
    if {"--fix", "--fix-all"} & set(sys.argv[1:]) and fresh:
        subprocess.run(["clang-format-22", "-i", *fresh], cwd=ROOT, check=True)
        print(f"reformatted {len(fresh)} files")
        fresh = []
    for path in fresh:
        print(f"{path}: not as clang-format-22 writes it")
    if "--list" in sys.argv[1:]:
        print("\n".join(sorted(different & baseline)))
    print(f"{len(files) - len(different)} passed, {len(fresh)} failed, {len(different & baseline)} skipped")
    return 1 if fresh else 0


if __name__ == "__main__":
    sys.exit(main())
