"""Runs the end-to-end checks of this folder and prints `N passed, N failed, N skipped` as its last line.

Usage: tests/e2e/run.py [-v] [--list] [NAME_PART...]   LLMC_BIN names the folder of the binaries (build/bin).
"""

import argparse
import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
# The matrices here are small, and the machine may be shared: a thread for each core is slower than two.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
sys.path[:0] = [str(HERE), str(HERE.parent / "fixtures")]

import engine  # noqa: E402  (after the paths above)


class Result(unittest.TestResult):
    """Counts each test once and prints a line when it ends."""

    def __init__(self, verbose: bool):
        super().__init__()
        self.verbose, self.passed, self.begin = verbose, 0, 0.0
        self.failed: list[str] = []

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def _line(self, word: str, test, detail: str = ""):
        print(f"{word} {test.id()} ({time.monotonic() - self.begin:.1f} s) {detail}".rstrip(), flush=True)

    def _fail(self, test, error):
        if test.id() not in self.failed:
            self.failed.append(test.id())
        self._line("FAIL", test, "\n" + self._exc_info_to_string(error, test))

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
            print(f"     in {subtest}")
            self._fail(test, error)

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
    """Tests that bound a time (`second_chance` of their class) run once more when they failed, and the log says so."""
    for name in list(result.failed):
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        if not all(getattr(test, "second_chance", False) for test in flatten(suite)):
            continue
        print(f"AGAIN {name}")
        again = Result(True)
        suite.run(again)
        if again.passed and not again.failed:
            result.failed.remove(name)
            result.passed += again.passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-v", action="store_true", help="a line for passed tests too")
    parser.add_argument("--list", action="store_true", help="names only")
    parser.add_argument("--reference-only", action="store_true", help="without binaries: skip what needs them")
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
    result = Result(args.v)
    unittest.TestSuite(tests).run(result)
    repeat(result)
    print(f"{result.passed} passed, {len(result.failed)} failed, {len(result.skipped)} skipped")
    return 1 if result.failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
