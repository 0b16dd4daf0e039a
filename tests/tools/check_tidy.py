"""Runs clang-tidy-22 (.clang-tidy) over the sources, the quick ones first, until the time is up; the rest counts as skipped.

Usage: tests/tools/check_tidy.py BUILD_DIR [--seconds N] [FILE...]     without FILEs: runtime, import, engine, then all others
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
ORDER = ("runtime/", "compiler/import/", "compiler/engine/", "codegen/registry/", "passes/", "compiler/", "dialects/", "codegen/")


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


def sources(build: pathlib.Path) -> list[str]:
    """Files of the compilation database that are ours, quick folders first."""
    entries = json.loads((build / "compile_commands.json").read_text())
    paths = {os.path.relpath(entry["file"], ROOT) for entry in entries}
    rank = {path: next((i for i, top in enumerate(ORDER) if path.startswith(top)), None) for path in paths}
    return sorted((p for p in paths if rank[p] is not None), key=lambda p: (rank[p], p))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=150)
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
