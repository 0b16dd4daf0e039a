"""tests/gpu/target_rows.py and what feeds it: shares, verdicts and the host's time of results and traces that are written down here."""

import argparse
import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import engine

GPU = engine.ROOT / "tests" / "gpu"
sys.path.insert(0, str(GPU))

import large_shape  # noqa: E402
import parts  # noqa: E402
import result_file  # noqa: E402
import result_table  # noqa: E402
import serving_load  # noqa: E402
import target_rows  # noqa: E402

spec = importlib.util.spec_from_file_location("gpu_run", GPU / "run.py")  # "run" is another file's name here
gpu_run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(gpu_run)


def timed(copy=2000.0, share=0.9, ttft=50.0, decode=200.0) -> dict:
    return {"load_ms": 900.0, "copy_bandwidth_gb_per_s": copy,
            "best": {"bandwidth_share": share, "ttft_ms": ttft, "prefill_tokens_per_s": 2048 / ttft * 1e3, "decode_tokens_per_s": decode}}  # fmt: skip


def result() -> dict:
    speed = {"decode, 1 stream, 1K": timed(), "prefill, 2K": timed()}
    return {
        "shapes": {"8b-native": large_shape.config(large_shape.SIZES["8b"])},
        "speed": {"8b-native": speed, "8b-fp8": {"decode, 1 stream, 1K": timed(share=0.8, decode=340)}},
        "torch": {"copy_gb_per_s": 2500.0, "products": {"gate_up x 1": {"tflops": 9999}, "gate_up x 2048": {"tflops": 790.0}, "down x 2048": {"tflops": 700.0}},
                  "attention": {"decode 32 x 4096": {"ms": 0.2, "flash_ms": 0.4, "by": "CUDNN_ATTENTION"}}},
        "attention": {"8b-native": {"copy_gb_per_s": 2400.0, "decode 32 x 4096": {"us": 320.0, "gb_per_s": 1700.0}}},
        "load": {"8b-native": {"seconds": 2.5}},
        "serving": {"8b-native, 1000 + 1000": {"output_throughput": 5000.0, "host": {"host_us": 20.0, "sequences": 256}}},
        "long": {"skipped": "no time: 570 s are over"},
        "transformers": {"8b-native": {"decode": {"tokens_per_s": 50}, target_rows.COMPILED: {"tokens_per_s": 100}, "prefill 2048": {"tokens_per_s": 30000}}},
    }  # fmt: skip


def found(rows, what: str) -> target_rows.Row:
    return next(row for row in rows if row.target.what.startswith(what))


class Targets(unittest.TestCase):
    def setUp(self):
        self.rows = target_rows.rows(result())

    def expect(self, what: str, number: float, verdict: str):
        row = found(self.rows, what)
        self.assertAlmostEqual(row.measured, number, places=6, msg=row)
        self.assertEqual(row.verdict(), verdict, row)

    def test_bytes_are_held_against_the_best_copy_of_the_run(self):
        # 90% of the 2,000 GB/s that its own process copied, where torch copied 2,500.
        self.expect("8B bf16 decode, 1 stream", 0.9 * 2000 / 2500, "missed")
        self.expect("8B fp8 decode, 1 stream", 0.8 * 2000 / 2500, "missed")
        self.expect("paged decode attention alone, 32 x 4K", 1700 / 2500, "met")

    def test_flops_of_a_prompt_are_held_against_the_best_product_with_as_many_tokens(self):
        config = large_shape.config(large_shape.SIZES["8b"])
        # By hand: 218.1 M weights a layer, 32 layers, 2,048 tokens; half of 4 * 32 * 4,096 * 2,048^2; a head of 525.3 M.
        flops = 2 * 2048 * 32 * 218_103_808 + 2 * 32 * 4096 * 2048**2 + 2 * 525_336_576
        self.assertEqual(target_rows.prefill_flops(config, 2048), flops)
        self.assertAlmostEqual(flops / 1e12, 29.7, places=1)
        self.expect("8B bf16 prefill, 2K", flops / 0.050 / 1e12 / 790, "met")

    def test_verdicts(self):
        self.expect("8B bf16, 256 streams, 1000", 5000, "missed")
        self.expect("8B bf16 from page cache", 2.5, "met")
        self.expect("host time a step", 20, "aim met")  # less is better, the goal itself is enough
        self.expect("8B bf16 decode over transformers", 2, "aim met")
        self.expect("8B fp8 decode over transformers", 3.4, "aim met")
        self.expect("paged decode attention over torch's FlashAttention without pages, 32", 400 / 320, "")
        row = target_rows.Row(target_rows.Target("", "x", None, 2), 1)
        self.assertEqual(row.verdict(), "aim missed")

    def test_the_host_of_few_sequences_is_not_that_of_many(self):
        few = result()
        few["serving"]["8b-native, 1000 + 1000"]["host"]["sequences"] = 160
        few["serving"]["1b-native, 500 + 200"] = {"host": {"host_us": 9.0, "sequences": 256}}
        self.assertEqual(found(target_rows.rows(few), "host time").verdict(), "not measured: at most 160 sequences in a step")
        few["serving"]["8b-fp8kv, 1000 + 1000"] = {"host": {"host_us": 60.0, "sequences": 240}}
        self.assertEqual(found(target_rows.rows(few), "host time").verdict(), "missed")
        few["serving"] = {"8b-native, 1000 + 1000": {"skipped": "cut after 9 s"}}
        self.assertEqual(found(target_rows.rows(few), "host time").verdict(), "not measured: cut after 9 s")

    def test_what_was_not_measured_says_why(self):
        self.assertEqual(found(self.rows, "8B bf16 prefill, 8K").verdict(), "not measured: no time: 570 s are over")
        self.assertEqual(found(self.rows, "8B int4").verdict(), "not measured: no 8b-w4")
        alone = result() | {"torch": {"skipped": "no torch"}}
        rows = target_rows.rows(alone)
        self.assertEqual(found(rows, "8B bf16 prefill, 2K").verdict(), "not measured: no torch")
        self.assertAlmostEqual(found(rows, "8B bf16 decode, 1 stream").measured, 0.9 * 2000 / 2400)  # other copies are left
        del alone["transformers"]["8b-native"][target_rows.COMPILED]
        alone["transformers"]["8b-native"]["cut"] = "cut after 240 s"
        self.assertEqual(found(target_rows.rows(alone), "8B bf16 decode over").verdict(), "not measured: torch.compile: cut after 240 s")
        self.assertEqual({row.verdict()[:12] for row in target_rows.rows({})}, {"not measured"})

    def test_the_table_has_all_rows(self):
        whole = result() | {"machine": {"date": "then", "gpu": {}}, "kernels": {"cases": 3}, "failures": [], "seconds": 1.0}
        whole["serving"]["8b-native, 1000 + 1000"] |= {"requests": 256, "median_ttft_ms": 1.0, "median_tpot_ms": 2.0}
        text = result_table.table(whole)
        self.assertIn("| 8B bf16 decode, 1 stream, 1K: of copy bandwidth | 72% | >= 85% | >= 92% | missed |", text)
        self.assertIn("| 8B bf16 from page cache to first token | 2.5 s | <= 3 s | <= 2 s | met |", text)
        self.assertIn("| 8b-native | prefill, 2K | 900 | 50.00 |", text)
        self.assertIn("| 8b-native, decode 32 x 4096 | 320.0 | 1700 | nan | 200.0 (CUDNN_ATTENTION) | 400.0 |", text)


class ResultFile(unittest.TestCase):
    def test_only_what_is_whole_is_kept(self):
        before = {"speed": {"a": {"x": {"best": 1}, "y": {"skipped": "late"}}}, "torch": {"copy": 1, "cut": "after 3 s"}, "kernels": {"skipped": "late"}}
        for part, keys, kept in (("speed", ("a", "x"), True), ("speed", ("a", "y"), False), ("speed", ("b", "x"), False), ("torch", (), False),
                                 ("kernels", (), False), ("load", ("a",), False)):  # fmt: skip
            self.assertEqual(result_file.measured(before, part, keys) is not None, kept, (part, keys))

    def test_a_measurement_takes_the_place_of_a_reason(self):
        made = {"speed": {"skipped": "late"}}
        result_file.put(made, "speed", ("a", "x"), {"best": 1})
        self.assertEqual(made, {"speed": {"a": {"x": {"best": 1}}}})


class Cuts(unittest.TestCase):
    """Commands that die or take longer than there is time."""

    def check(self, seconds: float) -> parts.Check:
        made = parts.Check(argparse.Namespace(folder=pathlib.Path(), quick=True, seconds=seconds))
        self.addCleanup(shutil.rmtree, made.work)
        return made

    def test_what_a_script_had_by_then_is_kept(self):
        check = self.check(60)
        for end, reason in (("raise SystemExit('out of memory')", "out of memory"), ("time.sleep(60)", "cut after 2 s")):
            script = check.work / "script.py"
            script.write_text(f"""import time; print("loading"); print('{{"a": 1}}'); print('{{"a": 1, "b":', end="", flush=True); {end}""")
            found = check.beside(script, timeout=2)
            self.assertEqual(found, {"a": 1, "cut": reason})
        script.write_text("raise SystemExit('no torch')")
        self.assertEqual(check.beside(script, timeout=10), {"skipped": "no torch"})

    def test_only_what_had_time_fails(self):
        def run():
            raise subprocess.TimeoutExpired("llmc-run", 3)

        for seconds, failures in ((60, 1), (-1, 0)):
            check = self.check(seconds)
            self.assertEqual(gpu_run.attempt(check, "speed", run), {"skipped": "cut after 3 s"})
            self.assertEqual(len(check.failures), failures, check.failures)


def steps(*times) -> str:
    """A trace of steps (sequences, prompt tokens, spans by name)."""
    events = [{"ph": "M", "name": "thread_name"}]
    for sequences, prompt, spans in times:
        events.append({"ph": "X", "name": "step", "ts": 0, "dur": 1000, "args": {"sequences": sequences, "prompt_tokens": prompt}})
        events += [{"ph": "X", "name": name, "ts": 0, "dur": us} for name, us in spans.items()]
        events.append({"ph": "C", "name": "sequences"})
    return json.dumps({"traceEvents": events})


class HostTimes(unittest.TestCase):
    def times(self, *made) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "trace"
            path.write_text(steps(*made))
            return serving_load.host_times(path)

    def test_the_sum_of_what_the_loop_does_where_nearly_all_decode(self):
        ahead = {"start ahead": 10, "run": 900, "sample": 3, "tell": 7}
        made = self.times((256, 0, ahead), (250, 0, ahead | {"tell": 17}), (256, 0, ahead | {"sample": 4}),
                          (100, 0, ahead | {"tell": 1}), (256, 512, ahead | {"tell": 900}), (256, 0, {"plan": 1, "run": 900, "tell": 1}))  # fmt: skip
        self.assertEqual((made["steps"], made["sequences"], made["ahead"]), (3, 256, True))
        self.assertEqual((made["host_us"], made["start ahead us"], made["sample us"], made["tell us"]), (21, 10, 3, 7))

    def test_steps_one_by_one_and_none(self):
        made = self.times((8, 0, {"plan": 5, "move pages": 2, "run": 100, "sample": 1, "tell": 1}))
        self.assertEqual((made["host_us"], made["ahead"]), (9, False))
        self.assertEqual(self.times((8, 8, {"plan": 5})), {"skipped": "no decode step in the trace"})


if __name__ == "__main__":
    unittest.main()
