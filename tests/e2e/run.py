"""Runs the end-to-end checks of this folder and prints `N passed, N failed, N skipped` as its last line.

Usage: tests/e2e/run.py [-v] [--list] [NAME_PART...]   LLMC_BIN names the folder of the binaries (build/bin).
Without NAME_PART the modules that say BESIDE_OTHERS (they compute much and bound no time) run in two processes of their own, in the
kernel's idle class: half of the time of the others is waiting. Their lines come after those.
What failed is told once more before the counts: of a long log, people and CI keep the end.
"""

import argparse
import contextlib
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# In company a second thread of numpy's products mostly spins while the first is away: measured, seven times the CPU time for the same.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path[:0] = [str(HERE), str(HERE.parent / "fixtures")]

import engine  # noqa: E402  (after the paths above)


def cpu_seconds() -> float:
    """Of this process and those that it has waited for."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


class Result(unittest.TestResult):
    """Counts each test once and prints a line when it ends."""

    def __init__(self, verbose: bool):
        super().__init__()
        self.verbose, self.passed, self.begin = verbose, 0, (0.0, 0.0)
        self.failed: dict[str, str] = {}  # what each test said at first

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic(), cpu_seconds()

    def _line(self, word: str, test, detail: str = ""):
        wall, cpu = time.monotonic() - self.begin[0], cpu_seconds() - self.begin[1]
        print(f"{word} {test.id()} ({wall:.1f} s, {cpu:.1f} of CPUs) {detail}".rstrip(), flush=True)

    def _fail(self, test, error, where: str = ""):
        text = where + self._exc_info_to_string(error, test)
        self.failed.setdefault(test.id(), text)
        self._line("FAIL", test, "\n" + text)

    def addSuccess(self, test):
        self.passed += 1
        if self.verbose:
            self._line("ok  ", test)

    def addFailure(self, test, error):
        self._fail(test, error)

    def addError(self, test, error):
        self._fail(test, error)

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._fail(test, error, f"     in {subtest}\n")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("SKIP", test, f": {reason}")


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def repeat(result: Result):
    """Runs what failed once more. It counts where a test bounds a time (`second_chance` of its class); elsewhere it only tells the two kinds apart."""
    for name in list(result.failed):
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        counts = all(getattr(test, "second_chance", False) for test in flatten(suite))
        print(f"AGAIN {name}")
        again = Result(True)
        suite.run(again)
        if not again.passed or again.failed:
            continue
        if counts:
            del result.failed[name]
            result.passed += again.passed
        else:
            result.failed[name] += "It passed when it ran again: it depends on time, or on what runs beside it.\n"


LAST = "== What failed, once more"


def tell(failed: list[str]):
    if failed:
        print("\n".join([LAST, *failed, *(line for one in failed for line in one.splitlines() if line.startswith("FAIL "))]))


BESIDE = 2  # processes


def beside_others(test) -> bool:
    return getattr(sys.modules[type(test).__module__], "BESIDE_OTHERS", False)


def share(tests, number: int) -> list:
    """Those of the process `number`: this module takes as long as all others together."""
    return [test for test in tests if beside_others(test) and (type(test).__module__ == "smollm2_test") == (number == 0)]


class Beside:
    """One of the other processes; ends with this object."""

    def __init__(self, number: int, verbose: bool):
        command = [sys.executable, __file__, "--beside-others", str(number), *(["-v"] if verbose else [])]
        self.output = tempfile.TemporaryFile("w+")
        self.failed: list[str] = []  # what its tests said
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT, preexec_fn=self._idle,
                                      env=os.environ | {"LLMC_TEST_THREADS": "1"})

    @staticmethod
    def _idle():
        try:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        except OSError:
            os.nice(19)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    def counts(self) -> tuple[int, int, int]:
        """Passed, failed, skipped. Waits, and prints what it printed."""
        status = self.child.wait()
        self.output.seek(0)
        lines = self.output.read().splitlines()
        last = re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", lines[-1] if lines else "")
        lines = lines[:-1] if last else lines
        end = lines.index(LAST) if LAST in lines else len(lines)
        print("\n".join(lines[:end]))
        self.failed = lines[end + 1 :]
        if not last:
            print(f"FAIL the process beside ended with status {status} and no counts")
        return tuple(map(int, last.groups())) if last else (0, 1, 0)


def run(tests, verbose: bool, beside=()) -> tuple[int, int, int]:
    """Passed, failed, skipped; with those of the processes beside, which end before anything gets its second chance."""
    result = Result(verbose)
    unittest.TestSuite(tests).run(result)
    others = [one.counts() for one in beside]
    repeat(result)
    tell([f"FAIL {name}\n{text}" for name, text in result.failed.items()] + [line for one in beside for line in one.failed])
    return tuple(map(sum, zip((result.passed, len(result.failed), len(result.skipped)), *others)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", action="store_true", help="a line for passed tests too")
    parser.add_argument("--list", action="store_true", help="names only")
    parser.add_argument("--reference-only", action="store_true", help="without binaries: skip what needs them")
    parser.add_argument("--beside-others", type=int, choices=range(BESIDE), help="a share of the modules that say so, and no others")
    parser.add_argument("parts", nargs="*", help="run only tests whose name contains one of these")
    args = parser.parse_args()
    found = flatten(unittest.defaultTestLoader.discover(str(HERE), pattern="*_test.py", top_level_dir=str(HERE)))
    tests = [t for t in found if not args.parts or any(p in t.id() for p in args.parts)]
    if args.list:
        print("\n".join(t.id() for t in tests))
        return 0
    if not engine.have_binaries() and not args.reference_only:
        print(f"no llmc and llmc-run in {engine.BIN}: build them, set LLMC_BIN, or give --reference-only")
        return 2
    if args.parts:
        counts = run(tests, args.v)
    elif args.beside_others is not None:
        counts = run(share(tests, args.beside_others), args.v)
    else:
        with contextlib.ExitStack() as stack:
            beside = [stack.enter_context(Beside(number, args.v)) for number in range(BESIDE)]
            counts = run([t for t in tests if not beside_others(t)], args.v, beside)
    passed, failed, skipped = counts
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
