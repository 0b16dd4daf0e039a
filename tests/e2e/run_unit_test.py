"""tests/tools/run_unit.py: a test that failed once and then passed is one passed test, and what ended its process takes no other test along."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import run_unit  # noqa: E402

RUN_UNIT = pathlib.Path(__file__).resolve().parents[1] / "tools" / "run_unit.py"
# Behaves as a GoogleTest program whose tests' names say what they do.
PROGRAM = """#!{python}
import os, pathlib, sys
found = int(os.environ["ASAN_OPTIONS"].split("exitcode=")[-1])
names = sys.argv[1].removeprefix("--gtest_filter=").split(":")
xml = next(a for a in sys.argv if a.startswith("--gtest_output")).removeprefix("--gtest_output=xml:")
cases, failed = "", False
for name in names:
    suite, word = name.split(".")
    with open("ran", "a") as ran:
        print(os.getpid(), name, file=ran)
    print("[ RUN      ] " + name, flush=True)
    if word.startswith("Crash") or (word.startswith("DiesInCompany") and len(names) > 1):
        os.abort()
    if word.startswith("Race") or (word.startswith("RacesInCompany") and len(names) > 1):
        os._exit(found)
    if word.startswith("RacesOnce") and not os.path.exists("raced"):
        open("raced", "w").close()
        os._exit(found)
    bad = word.startswith("Bad") or (word.startswith("Flaky") and len(names) > 1)
    failed = failed or bad
    inside = "<failure/>" if bad else '<skipped message="why"/>' if word.startswith("Skips") else ""
    cases += f'<testcase classname="{{suite}}" name="{{word}}" status="run">{{inside}}</testcase>'
pathlib.Path(xml).write_text(f"<testsuites><testsuite>{{cases}}</testsuite></testsuites>")
leaks = any(name.endswith("Leak") or (name.endswith("LeaksInCompany") and len(names) > 1) for name in names)
status = found if leaks else 23 if any(name.endswith("Exits") for name in names) else int(failed)
sys.exit(status)
"""


@unittest.skipUnless(shutil.which("ctest"), "no ctest")
class RunUnit(unittest.TestCase):
    SIGNAL = "ended by a signal, which no later run makes good: "

    def run_tests(self, names: list[str], *flags: str, more: str = "") -> tuple[int, list[str], list[list[str]]]:
        """Status, the lines about single tests and counts, and what each process ran."""
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "program")
            program.write_text(PROGRAM.format(python=sys.executable))
            program.chmod(0o755)
            text = more
            for name in names:
                text += f'add_test({name} {program} --gtest_filter={name} --gtest_also_run_disabled_tests)\n'
                text += f'set_tests_properties({name} PROPERTIES TIMEOUT 60 WORKING_DIRECTORY {folder})\n'
            pathlib.Path(folder, "CTestTestfile.cmake").write_text(text)
            done = subprocess.run([sys.executable, RUN_UNIT, folder, *flags], capture_output=True, text=True, timeout=60)
            ran = pathlib.Path(folder, "ran")
            processes: dict[str, list[str]] = {}
            for line in ran.read_text().splitlines() if ran.exists() else []:
                processes.setdefault(line.split()[0], []).append(line.split()[1])
            words = ("SKIP ", "FAILED ", "passed only", "ended by", "run_unit.py: ")
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith(words) or " passed, " in line]
            return done.returncode, lines, list(processes.values())

    def test_a_suite_shares_a_process(self):
        status, lines, processes = self.run_tests(["A.One", "A.SkipsThis", "B.One"])
        self.assertEqual(sorted(processes), [["A.One", "A.SkipsThis"], ["B.One"]])
        self.assertEqual((status, lines), (0, ["SKIP A.SkipsThis: why", "2 passed, 0 failed, 1 skipped"]))

    def test_passed_at_the_second_try_is_one_passed_and_named(self):
        status, lines, _ = self.run_tests(["A.One", "A.Flaky"])
        self.assertEqual((status, lines), (0, ["passed only when it ran alone: A.Flaky", "2 passed, 0 failed, 0 skipped"]))

    def test_failed_twice_is_one_failed(self):
        status, lines, _ = self.run_tests(["A.One", "A.Bad"])
        self.assertEqual((status, lines), (1, ["FAILED A.Bad (program)", "1 passed, 1 failed, 0 skipped"]))

    def test_a_crash_is_of_one_test(self):
        status, lines, processes = self.run_tests(["A.One", "A.Crash", "A.Two"])
        self.assertEqual((status, lines), (1, [self.SIGNAL + "A.Crash", "FAILED A.Crash (program)", "2 passed, 1 failed, 0 skipped"]))
        self.assertIn(["A.Two"], processes)

    def test_a_death_by_signal_stays_one_when_the_test_passes_alone(self):
        status, lines, processes = self.run_tests(["A.One", "A.DiesInCompany", "A.Two"])
        self.assertIn(["A.DiesInCompany"], processes)
        self.assertEqual((status, lines), (1, [self.SIGNAL + "A.DiesInCompany", "FAILED A.DiesInCompany (program)", "2 passed, 1 failed, 0 skipped"]))

    def test_a_status_of_its_own_is_of_one_test(self):
        status, lines, _ = self.run_tests(["A.One", "A.Exits"])
        self.assertEqual((status, lines), (1, ["FAILED A.Exits (program)", "1 passed, 1 failed, 0 skipped"]))

    def check_finding(self, *names: str, by: str = "a sanitizer"):
        """The last of them failed, whatever it does alone."""
        status, lines, _ = self.run_tests([*names])
        self.assertEqual((status, lines), (1, [f"ended by {by}, which no later run makes good: {names[-1]}", f"FAILED {names[-1]} (program)",
                                               f"{len(names) - 1} passed, 1 failed, 0 skipped"]))

    def test_what_a_sanitizer_found_is_of_one_test(self):
        self.check_finding("A.One", "A.Two", "A.Race")
        self.check_finding("A.One", "A.Two", "A.Leak")

    def test_what_a_sanitizer_found_stays_when_the_test_passes_alone(self):
        self.check_finding("A.One", "A.Two", "A.RacesInCompany")
        self.check_finding("A.RacesOnce")
        self.check_finding("A.One", "A.Two", "A.LeaksInCompany", by="a sanitizer, behind 2 others")

    def test_a_sanitizer_has_a_status_that_no_test_has(self):
        """A program of this machine's compiler, where it has sanitizers: the options reach them."""
        compiler = shutil.which("clang++-22") or shutil.which("clang++")
        if not compiler:
            self.skipTest("no clang++")
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "a.cpp")
            source.write_text("int main(int n, char**) { int* p = new int[2]; delete[] p; return p[n] + (n << 40); }\n")
            for kind in ("address", "undefined", "address,undefined"):
                program = pathlib.Path(folder, kind)
                subprocess.run([compiler, f"-fsanitize={kind}", "-w", source, "-o", program], check=True)
                options = run_unit.environment()
                options["UBSAN_OPTIONS"] = "halt_on_error=1:" + options["UBSAN_OPTIONS"]
                done = subprocess.run([program], env=options, capture_output=True)
                self.assertEqual(done.returncode, run_unit.FINDING, done.stderr.decode()[:2000])

    def test_an_absent_program_is_an_error_unless_some_were_asked_for(self):
        absent = "add_test(absent_NOT_BUILT absent_NOT_BUILT)\n"
        status, lines, _ = self.run_tests(["A.One"], more=absent)
        self.assertEqual((status, lines), (1, ["run_unit.py: the program of absent_NOT_BUILT was not built"]))
        status, lines, _ = self.run_tests(["A.One"], "--partial", more=absent)
        self.assertEqual((status, lines), (0, ["1 passed, 0 failed, 0 skipped"]))

    def test_a_name_that_no_test_has_is_an_error(self):
        for names in (["nothing_here"], ["A", "nothing_here"]):
            status, lines, processes = self.run_tests(["A.One"], *names)
            self.assertEqual((status, len(lines), processes), (1, 1, []), lines)
            self.assertRegex(lines[0], r"^run_unit.py: no test has 'nothing_here' in its name \(/.*\)$")
        status, lines, _ = self.run_tests(["A.One"], "--label", "cuda")
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], r"^run_unit.py: no tests \(/.*, label cuda\)$")
        self.assertEqual(self.run_tests(["A.One", "B.One"], "A", "B.O")[:2], (0, ["2 passed, 0 failed, 0 skipped"]))


if __name__ == "__main__":
    unittest.main()
