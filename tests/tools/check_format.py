"""Compares every C++ file with what clang-format-22 makes of it.

Usage: tests/tools/check_format.py [--fix]     --fix rewrites the files that differ
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


BATCH = 40  # of files: the start of a program costs as much as ten of them


def differing(paths: list[str]) -> list[str]:
    run = subprocess.run(["clang-format-22", "--dry-run", "-Werror", *paths], cwd=ROOT, capture_output=True, text=True)
    if run.returncode == 0:
        return []
    return paths if len(paths) == 1 else [path for one in paths for path in differing([one])]


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "*.cc", "*.cpp", "*.h", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [path for path in listed.stdout.split() if (ROOT / path).exists()]
    batches = [files[at : at + BATCH] for at in range(0, len(files), BATCH)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        different = [path for bad in pool.map(differing, batches) for path in bad]
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
