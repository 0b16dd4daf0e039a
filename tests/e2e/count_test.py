"""tests/tools/count.py on what ctest writes: once failed and then passed is one passed test; a program that is absent has failed."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

COUNT = pathlib.Path(__file__).resolve().parents[1] / "tools" / "count.py"
TESTS = """
add_test(good true)
add_test(flaky sh -c "test -e ran || { touch ran; exit 1; }")
add_test(skips sh -c "echo SKIPPED")
set_tests_properties(skips PROPERTIES SKIP_REGULAR_EXPRESSION SKIPPED)
"""


@unittest.skipUnless(shutil.which("ctest"), "no ctest")
class Count(unittest.TestCase):
    def count(self, tests: str) -> tuple[int, list[str]]:
        """Runs the tests, those that failed once more, as tests/run.sh does, and counts."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "CTestTestfile.cmake").write_text(tests)
            for flags in (["--output-junit", "unit.xml"], ["--rerun-failed", "--output-junit", "again.xml"]):
                subprocess.run(["ctest", *flags], cwd=folder, capture_output=True, timeout=60)
            command = [sys.executable, COUNT, "unit.xml", "again.xml"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            return done.returncode, done.stdout.splitlines()

    def test_passed_at_the_second_try_is_one_passed_and_named(self):
        status, lines = self.count(TESTS)
        self.assertEqual(lines, ["passed only when it ran alone: flaky", "2 passed, 0 failed, 1 skipped"])
        self.assertEqual(status, 0)

    def test_failed_twice_is_one_failed(self):
        status, lines = self.count(TESTS + "add_test(bad false)\n")
        self.assertEqual(lines[1:], ["FAILED bad", "2 passed, 1 failed, 1 skipped"])
        self.assertEqual(status, 1)

    def test_an_absent_program_has_failed(self):
        status, lines = self.count(TESTS + "add_test(absent /nonexistent/program)\n")
        self.assertEqual(lines[1:], ["FAILED absent", "2 passed, 1 failed, 1 skipped"])
        self.assertEqual(status, 1)


if __name__ == "__main__":
    unittest.main()
