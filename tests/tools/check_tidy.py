"""Runs clang-tidy-22 (.clang-tidy) over the sources until the time is up; the rest counts as skipped.

Usage: tests/tools/check_tidy.py BUILD_DIR [--seconds N] [FILE...]
Without FILEs those of the last commits come first (of a header, a source that includes it), then the others from a place that the
commit decides: what changes is checked at once, and what does not gets its turn.
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


def joint_sources(build: pathlib.Path) -> dict[str, list[str]]:
    """What is compiled, with the files of ours in it: where several compile as one, their headers are read once, which is most of the time."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = pathlib.Path(entry["directory"], entry["file"])
        parts = re.findall(r'#include "(.+)"', source.read_text()) if source.parent.name == "Unity" else [source]
        written = [part for part in parts if not pathlib.Path(part).is_relative_to(build.resolve())]  # a build's own tables may be beside them
        ours = [os.path.relpath(part, ROOT) for part in written]
        if ours and all(part.startswith(FOLDERS) for part in ours):
            found[str(source)] = ours
    return found


def git(*arguments: str) -> list[str]:
    """Lines; none where this is not a clone or git is missing."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.split()
    except FileNotFoundError:
        return []


def in_turn(paths: list[str]) -> list[str]:
    """Those of the last commits, then the others from a place that the commit decides."""
    start = int("".join(git("rev-parse", "HEAD")) or "0", 16) % max(len(paths), 1)
    # Not the commit at which a shallow clone begins, which seems to have changed every file.
    changed = git("log", f"-n{COMMITS}", "--min-parents=1", "--max-parents=1", "--name-only", "--format=")
    turns = paths[start:] + paths[:start]
    return list(dict.fromkeys([*filter(None, (source_of(path, paths) for path in changed)), *turns]))


def source_of(path: str, paths: list[str]) -> str | None:
    """Itself; of a header its own source, else any that includes it; nothing of what is no code or gone."""
    if path in paths or not path.endswith(".h"):
        return path if path in paths else None
    own = (path.removesuffix("h") + kind for kind in ("cc", "cpp"))
    users = (each for each in paths if f'#include "{path}"' in (ROOT / each).read_text())
    return next((each for each in own if each in paths), None) or next(users, None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    joint = joint_sources(args.build)
    holder = {part: source for source, parts in joint.items() for part in parts}
    unknown = [path for path in args.files if path not in holder]
    if unknown:
        parser.error(f"{args.build} does not compile {' '.join(unknown)}")
    work = list(dict.fromkeys(holder[path] for path in args.files or in_turn(sorted(holder))))
    count = {"passed": 0, "failed": 0, "skipped": 0}

    def check(source: str):
        if time.monotonic() > deadline:
            return source, "skipped", ""
        command = ["clang-tidy-22", "--quiet", "-p", str(args.build), f"--config-file={ROOT / '.clang-tidy'}", source]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return source, "failed" if run.returncode else "passed", run.stdout

    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for source, word, text in pool.map(check, work):
            # Of what failed, the files that it names.
            bad = [part for part in joint[source] if f"/{part}:" in text] or joint[source][:1] if word == "failed" else []
            count["failed"] += len(bad)
            count["skipped" if word == "skipped" else "passed"] += len(joint[source]) - len(bad)
            if bad:
                print(f"{' '.join(bad)}:\n{text.strip()}")
    if count["skipped"]:
        print(f"{count['skipped']} files were not reached in {args.seconds:.0f} s (name them to check them)")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
