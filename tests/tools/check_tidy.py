"""Runs clang-tidy-22 (.clang-tidy) over the sources until the time is up; the rest counts as skipped.

Usage: tests/tools/check_tidy.py BUILD_DIR [--seconds N] [FILE...]
Without FILEs those of the last commits come first, then the others from a place that the commit decides: what changes is checked
at once, and what does not gets its turn.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("runtime/", "compiler/", "dialects/", "passes/", "codegen/")
COMMITS = 20


def database(build: pathlib.Path) -> pathlib.Path:
    """A folder whose compile_commands.json has an entry a source: where several compile as one, CMake's has one for all of them."""
    entries = []
    for entry in json.loads((build / "compile_commands.json").read_text()):
        joint = pathlib.Path(entry["directory"], entry["file"])
        parts = re.findall(r'#include "(.+)"', joint.read_text()) if joint.parent.name == "Unity" else [entry["file"]]
        entries += [entry | {"file": part, "command": entry["command"].replace(entry["file"], part)} for part in parts]
    folder = build / "tidy"
    folder.mkdir(exist_ok=True)
    (folder / "compile_commands.json").write_text(json.dumps(entries))
    return folder


def git(*arguments: str) -> list[str]:
    """Lines; none where this is not a clone or git is missing."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        return []


def sources(build: pathlib.Path) -> list[str]:
    """Files of the compilation database that are ours."""
    entries = json.loads((build / "compile_commands.json").read_text())
    paths = sorted({os.path.relpath(entry["file"], ROOT) for entry in entries})
    paths = [path for path in paths if path.startswith(FOLDERS)]
    start = int("".join(git("rev-parse", "HEAD")) or "0", 16) % max(len(paths), 1)
    changed = dict.fromkeys(git("log", f"-n{COMMITS}", "--no-merges", "--name-only", "--format="))
    turns = paths[start:] + paths[:start]
    return [path for path in changed if path in set(paths)] + [path for path in turns if path not in changed]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    failed = passed = skipped = 0

    def check(path: str):
        if time.monotonic() > deadline:
            return path, None, ""
        run = subprocess.run(["clang-tidy-22", "--quiet", "-p", str(commands), path], cwd=ROOT, capture_output=True, text=True)
        return path, run.returncode, run.stdout

    commands = database(args.build)
    files = args.files or sources(commands)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for path, code, text in pool.map(check, files):
            if code is None:
                skipped += 1
            elif code:
                failed += 1
                print(f"{path}:\n{text.strip()}")
            else:
                passed += 1
    if skipped:
        print(f"{skipped} files were not reached in {args.seconds:.0f} s (name them to check them)")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
