"""Compares every C++ file with what clang-format-22 makes of it.

Usage: tests/tools/check_format.py [--fix]     --fix rewrites the files that differ
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def differs(path: str) -> bool:
    run = subprocess.run(["clang-format-22", "--dry-run", "-Werror", path], cwd=ROOT, capture_output=True)
    return run.returncode != 0


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.cc", "*.cpp", "*.h", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [path for path in listed.stdout.split() if (ROOT / path).exists()]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        different = [path for path, bad in zip(files, pool.map(differs, files)) if bad]
    if "--fix" in sys.argv[1:] and different:
        subprocess.run(["clang-format-22", "-i", *different], cwd=ROOT, check=True)
        print(f"reformatted {len(different)} files")
        different = []
    for path in different:
        print(f"{path}: not as clang-format-22 writes it")
    print(f"{len(files) - len(different)} passed, {len(different)} failed, 0 skipped")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
