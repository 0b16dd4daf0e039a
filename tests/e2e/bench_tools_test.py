"""The scripts of tests/bench tell what is wrong with their arguments in a line, and summary.py misses no row."""

import json
import os
import subprocess
import sys
import unittest

import engine
import peer_logits

BENCH = engine.ROOT / "tests" / "bench"
ROW = {"case": "decode, context 32", "threads": 2, "unit": "tok/s", "medians": {"llmc": 200.0, "llama.cpp Q4_0": 100.0}, "best_peer": "llama.cpp Q4_0",
       "ratio": 2.0, "ratio_min": 1.9, "ratio_max": 2.1, "target": None, "limit_target": None, "others_cpus_median": 0.0}
EXACT = {"kl_mean": 1e-3, "same_top": 0.97, "positions": 512}
REPORT = {"machine": {"date": "2026-11-22 10:00", "bandwidth_gb_s": {"2": {"dram_median": 40}}}, "weights": "135M", "results": [ROW],
          "quality": {"llmc": EXACT, "llama.cpp": EXACT}}
NAME = "135M, decode, context 32, 2 threads, best"


def call(script: str, *arguments) -> tuple[int, str]:
    done = subprocess.run([sys.executable, BENCH / script, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    return done.returncode, done.stderr


class BenchTools(unittest.TestCase):
    def test_bad_arguments_are_told(self):
        some, none, out = __file__, "/nowhere/file", engine.work_dir() / "out.svg"
        absent = max(os.sched_getaffinity(0)) + 1
        for command, said in ((("summary.py", none), "cannot read /nowhere/file: No such file"),
                              (("summary.py", some), f"cannot read {some}: "),
                              (("summary.py", engine.ROOT / "CMakePresets.json"), "is no result of side_by_side.py"),
                              (("plot_profile.py", none, "-o", out), "cannot read /nowhere/file: No such file"),
                              (("side_by_side.py", "--gguf", none), "/nowhere/file is not there"),
                              (("side_by_side.py", "--gguf", some, "--engine", none), "/nowhere/file is not there"),
                              (("side_by_side.py", "--gguf", some, "--file-alone", "--peers", "nothing"), "--peers nothing: no variant"),
                              (("side_by_side.py", "--gguf", some, "--cases", "nothing"), "--cases nothing: none begins so"),
                              (("quality.py", none), "/nowhere/file is not there"),
                              (("rival.py", none), "/nowhere/file is not there"),
                              (("rival.py", some, "--llmc-run", some, "--cpus", f"0-{absent}"), "--cpus: this process may not use CPU"),
                              (("rival.py", some, "--llmc-run", some, "--rival-cpus", absent), f"--rival-cpus: this process may not use CPU {absent}")):
            status, text = call(*command)
            if command[0] == "side_by_side.py" and peer_logits.llama_cpp is None:
                status, said = status + 1, "install_peer.sh installs llama.cpp"
            self.assertEqual(status, 2, text)
            self.assertIn(said, text)
            self.assertNotIn("Traceback", text)

    def test_a_row_that_one_side_lacks_is_no_success(self):
        result, golden = engine.work_dir() / "result.json", engine.work_dir() / "golden.json"
        result.write_text(json.dumps(REPORT))
        golden.unlink(missing_ok=True)
        self.assertEqual(call("summary.py", result, "--golden", golden)[0], 2)
        for ratios, flags, status, said in (({NAME: 2.0}, (), 0, ""), ({NAME: 3.0}, (), 1, f"{NAME}: 2.00, was 3.00"), ({}, (), 1, "no such row"),
                                            ({NAME: 2.0, "gone": 1.5}, (), 1, "gone: not in these runs"), ({NAME: 2.0, "gone": 1.5}, ("--some",), 0, "")):
            golden.write_text(json.dumps({"tolerance": 0.25, "ratios": ratios}))
            found = call("summary.py", result, "--golden", golden, *flags)
            self.assertEqual((found[0], said in found[1]), (status, True), found)
        golden.unlink()
        self.assertEqual(call("summary.py", result, "--golden", golden, "--update")[0], 0)
        other = engine.work_dir() / "variant.json"  # of the same weights and case: a row of its own
        other.write_text(json.dumps(REPORT | {"variant": "int8 cache", "results": [ROW | {"ratio": 1.0}]}))
        self.assertIn(f"{NAME.replace('32,', '32, int8 cache,')}: 1.00, the golden file has no such row", call("summary.py", result, other, "--golden", golden)[1])
        self.assertEqual(call("summary.py", result, "--golden", golden)[0], 0)

    def test_rounds_of_one_row_count_together(self):
        files = [engine.work_dir() / f"round{i}.json" for i in range(2)]
        for file, ours, theirs, at in zip(files, ([200.0, 100.0], [300.0]), ([100.0, 100.0], [100.0]), ("10:00", "11:30"), strict=True):
            samples = {side: [{"value": value, "others_cpus": 0.0} for value in values] for side, values in (("llmc", ours), ("llama.cpp Q4_0", theirs))}
            file.write_text(json.dumps(REPORT | {"machine": REPORT["machine"] | {"date": f"2026-11-22 {at}"}, "results": [ROW | {"samples": samples}]}))
        done = subprocess.run([sys.executable, BENCH / "summary.py", *files], capture_output=True, text=True, timeout=60)
        rows = [line for line in done.stdout.splitlines() if line.startswith("| 135M")]
        self.assertEqual(len(rows), 1, done.stdout + done.stderr)
        self.assertIn("| 200 | 100 | Q4_0 | 2.00 (1.00-3.00) |", rows[0])
        self.assertIn("| 40, 40 | 0.0 | 10:00, 11:30 |", rows[0])

    def test_no_speed_without_its_distance_from_exact_math(self):
        result, golden = engine.work_dir() / "result.json", engine.work_dir() / "golden.json"
        golden.write_text(json.dumps({"tolerance": 0.25, "ratios": {NAME: 2.0}}))

        def said(**kl) -> tuple[int, str]:
            sides = {name.replace("_", "."): {"kl_mean": mean, "same_top": 0.97, "positions": 512} for name, mean in kl.items()}
            result.write_text(json.dumps(REPORT | {"quality": sides}))
            done = subprocess.run([sys.executable, BENCH / "summary.py", result, "--golden", golden], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout

        for kl, status, text in (({}, 1, "135M, best: KL divergence from exact math: not measured in this run"),
                                 ({"llmc": 1.8e-3, "llama_cpp": 3.1e-3}, 0, "512 tokens, same file, in this run: llmc 1.80e-03 nats, 97.0% same top token"),
                                 ({"llmc": 3.12e-3, "llama_cpp": 3.1e-3}, 0, "llama.cpp 3.10e-03 nats"),  # alike
                                 ({"llmc": 3.4e-3, "llama_cpp": 3.1e-3}, 1, "MISSED: llmc is further from it"),
                                 ({"llmc": 9e-5, "llama_cpp": 1e-7}, 0, "llmc 9.00e-05")):  # both as floats round
            with self.subTest(kl):
                found = said(**kl)
                self.assertEqual((found[0], text in found[1]), (status, True), found)


if __name__ == "__main__":
    unittest.main()
