"""Runs the GoogleTest programs of a build folder and prints `N passed, N failed, N skipped` as its last line.

Usage: tests/tools/run_unit.py BUILD_DIR [--jobs N] [--label LABEL] [--partial] [NAME_PART...]
  --label    only tests with this label of CTest
  --partial  programs that were not built are left out; otherwise they are an error
CTest starts a program for each test: with MLIR to load or a sanitizer to set up, that was a third of the time of the small ones. Here the
tests of a suite share a process; those after a test that ended it run alone. Tests that bound a time may fail in company: what failed runs
once more alone, and the log says so. A death by a signal and what a sanitizer found are never forgiven: memory that was corrupted once may just
look right the next time, and a race just not happen.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

# Of a suite in one process: few enough that the last ones end together.
BATCH = 24
# Sanitizers end a process with this, which neither GoogleTest nor a test does: 1 would also be a failed test's.
FINDING = 86
RUNNING, ENDED = "[ RUN      ] ", "[       OK ] "


@dataclasses.dataclass
class Batch:
    """Tests of one suite."""

    program: str
    folder: str
    seconds: float  # at the most
    tests: list[str]  # GoogleTest's names

    def alone(self) -> list["Batch"]:
        return [dataclasses.replace(self, tests=[test]) for test in self.tests]


def refuse_misspelled(found: list[str], parts: list[str], where: str):
    """Each part is in a name: else what passes is not what was asked for."""
    for part in parts:
        if not any(part in name for name in found):
            raise SystemExit(f"run_unit.py: no test has '{part}' in its name ({where})")
    if not found:
        raise SystemExit(f"run_unit.py: no tests ({where})")


def batches(build: pathlib.Path, label: str, partial: bool, parts: list[str]) -> list[Batch]:
    """What CTest knows, the suites with the most tests first: these take the longest."""
    listing = subprocess.run(["ctest", "--show-only=json-v1", *(["-L", label] if label else [])], cwd=build, capture_output=True, check=True)
    suites: dict[tuple, Batch] = {}
    for test in json.loads(listing.stdout)["tests"]:
        command = test.get("command", [])
        if test["name"].endswith("_NOT_BUILT"):
            if partial:
                continue
            raise SystemExit(f"run_unit.py: the program of {test['name']} was not built")
        if "--gtest_also_run_disabled_tests" not in command:
            continue  # a test of another kind
        facts = {fact["name"]: fact["value"] for fact in test["properties"]}
        name = command[1].removeprefix("--gtest_filter=")
        if parts and not any(part in name for part in parts):
            continue
        batch = suites.setdefault((command[0], name.split(".")[0]), Batch(command[0], facts["WORKING_DIRECTORY"], facts["TIMEOUT"], []))
        batch.tests.append(name)
    refuse_misspelled([name for batch in suites.values() for name in batch.tests], parts, f"{build}{f', label {label}' if label else ''}")
    ordered = sorted(suites.values(), key=lambda batch: -len(batch.tests))
    return [dataclasses.replace(batch, tests=batch.tests[at : at + BATCH]) for batch in ordered for at in range(0, len(batch.tests), BATCH)]


def verdicts(path: pathlib.Path) -> dict[str, str]:
    """Passed, failed or skipped of each test in GoogleTest's XML; none when the program did not get to write it."""
    if not path.exists():
        return {}
    found = {}
    for case in tree.parse(path).iter("testcase"):
        skipped = case.find("skipped")
        name = f"{case.get('classname')}.{case.get('name')}"
        if skipped is not None:
            print(f"SKIP {name}: {skipped.get('message', '')}")
        if case.get("status") == "run":
            found[name] = "failed" if case.find("failure") is not None else "skipped" if skipped is not None else "passed"
    return found


@dataclasses.dataclass
class Run:
    """What one process said. A test without a verdict ended it, or comes after one that did."""

    found: dict[str, str]
    output: str
    died: str = ""  # the test that a signal or a sanitizer ended
    by: str = ""  # which of both
    spoke: bool = False  # a sanitizer did, after all of several tests, as of a leak


def without_progress(output: str) -> str:
    return "\n".join(line for line in output.splitlines() if not line.startswith((RUNNING, ENDED)))


def environment() -> dict[str, str]:
    """With options of sanitizers behind those that are set: the last one counts."""
    options = {name: ":".join(filter(None, (os.environ.get(name), f"exitcode={FINDING}")))
               for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")}
    return os.environ | options


def run(batch: Batch) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tests.xml")
        command = [batch.program, "--gtest_filter=" + ":".join(batch.tests), f"--gtest_output=xml:{path}"]
        try:
            process = subprocess.run(command, cwd=batch.folder, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, timeout=batch.seconds + 10 * len(batch.tests))
        except subprocess.TimeoutExpired as late:
            return Run({}, without_progress((late.stdout or b"").decode(errors="replace")) + f"\n{batch.program}: took too long")
        except OSError as error:
            return Run({}, str(error))
        found = verdicts(path)
        output = process.stdout.decode(errors="replace")
        spoken = without_progress(output)
        begun = [line.removeprefix(RUNNING) for line in output.splitlines() if line.startswith(RUNNING)]
        last = begun[-1] if begun else batch.tests[0]
        if process.returncode < 0:
            return Run({}, spoken + f"\n{batch.program}: ended by signal {-process.returncode}", last, "a signal")
        if process.returncode == FINDING:
            # After the tests, which one it was each alone will tell.
            after = path.exists() and len(batch.tests) > 1
            return Run({}, spoken + f"\n{batch.program}: a sanitizer found something", "" if after else last, "a sanitizer", after)
        if process.returncode > 1 or (process.returncode == 1 and "failed" not in found.values()):
            return Run({}, spoken + f"\n{batch.program}: status {process.returncode}")
        return Run(found, spoken)


def run_all(work: list[Batch], jobs: int, died: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """A verdict for each (program, test); adds those that something ended for good to `died`, with what."""
    result: dict[tuple[str, str], str] = {}
    again: list[Batch] = []
    leaky: list[Batch] = []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for batch, ran in zip(work, pool.map(run, work)):
            lost = [test for test in batch.tests if test not in ran.found]
            result |= {(batch.program, test): ran.found.get(test, "failed") for test in batch.tests}
            if lost or "failed" in ran.found.values():
                print(f"== {batch.program}\n{ran.output}", flush=True)
            if ran.died:
                died[batch.program, ran.died] = ran.by
            leaky += [batch] if ran.spoke else []
            if lost and len(batch.tests) > 1:
                again += dataclasses.replace(batch, tests=lost).alone()
    result |= run_all(again, jobs, died) if again else {}
    for batch in leaky:
        if all(result[batch.program, test] != "failed" for test in batch.tests):
            # None alone does what they do together; the finding stays one.
            died[batch.program, batch.tests[-1]] = f"a sanitizer, behind {len(batch.tests) - 1} others"
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--label", default="")
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("names", nargs="*")
    args = parser.parse_intermixed_args()

    work = batches(args.build, args.label, args.partial, args.names)
    died: dict[tuple[str, str], str] = {}
    result = run_all(work, args.jobs, died)
    second = [one for batch in work for one in batch.alone() if result[one.program, one.tests[0]] == "failed"]
    for (program, test), word in (run_all(second, 1, died) if second else {}).items():
        if word == "passed":
            print(f"passed only when it ran alone: {test}")
        result[program, test] = word
    for (program, test), by in sorted(died.items()):
        print(f"ended by {by}, which no later run makes good: {test}")
        result[program, test] = "failed"
    for (program, test), word in result.items():
        if word == "failed":
            print(f"FAILED {test} ({os.path.basename(program)})")
    count = {word: list(result.values()).count(word) for word in ("passed", "failed", "skipped")}
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
