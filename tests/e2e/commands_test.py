"""The command line's promises on a tiny model: JSON fields, limits, reproducible builds, a chat that waits without work."""

import json
import math
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import time
import unittest

import engine
import hostile
import tiny_models
import tiny_tokenizer

MODEL = "qwen3-3h1-d128-f32"


def model_path() -> pathlib.Path:
    spec = next(s for s in tiny_models.SPECS if s.name == MODEL)
    return tiny_models.write(spec, engine.work_dir() / "models")


def cpu_ticks(pid: int) -> int:
    """User and system clock ticks of all threads of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Commands(unittest.TestCase):
    second_chance = True  # counts ticks on a shared machine

    def test_json_of_a_completion(self):
        out = engine.run_json(engine.build(model_path()), "--prompt", "In the beginning", "--max-tokens", "7",
                              "--ignore-eos", "--logprobs", "2", "--seed", "3")
        self.assertEqual(len(out["token_ids"]), 7)
        self.assertEqual(out["finish_reason"], "length")
        self.assertIsInstance(out["text"], str)
        self.assertEqual([e["token_id"] for e in out["logprobs"]], out["token_ids"])
        self.assertTrue(all(len(e["top"]) == 2 for e in out["logprobs"]))
        usage = out["usage"]
        self.assertEqual(usage["prompt_tokens"], len(out["prompt_token_ids"]))
        self.assertEqual(usage["completion_tokens"], 7)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 7)
        for key in ("load_ms", "ttft_ms", "prefill_tokens_per_s", "decode_tokens_per_s"):
            self.assertGreater(out["timings"][key], 0, key)
        self.assertGreaterEqual(out["timings"]["ttft_ms"], out["timings"]["load_ms"])

    def test_a_seed_gives_the_same_text_and_another_one_does_not(self):
        path, ask = engine.build(model_path()), ("--prompt", "And God", "--max-tokens", "30", "--ignore-eos")
        hot = ("--temperature", "1.5", "--top-k", "0", "--top-p", "1")
        texts = [engine.run_json(path, *ask, *hot, "--seed", seed)["token_ids"] for seed in (5, 5, 6)]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_eos_ends_the_text_unless_ignored(self):
        """Greedy text until it repeats is no sure way to an end token, so a high temperature draws one."""
        path = engine.build(model_path())
        ends = {tiny_tokenizer.special_id("<|im_end|>"), tiny_tokenizer.special_id("<|endoftext|>")}
        ask = ("--prompt", "In", "--max-tokens", "1500", "--temperature", "2", "--top-k", "0", "--top-p", "1")
        out = engine.run_json(path, *ask, "--seed", "1")
        self.assertEqual(out["finish_reason"], "stop")
        self.assertFalse(ends & set(out["token_ids"][:-1]))
        self.assertEqual(len(engine.run_json(path, *ask, "--seed", "1", "--ignore-eos")["token_ids"]), 1500)

    def test_a_stop_text_ends_the_text_before_it(self):
        path = engine.build(model_path())
        ask = ("--prompt", "In the beginning", "--max-tokens", "60", "--temperature", "0", "--ignore-eos")
        full = engine.run_json(path, *ask)["text"]
        stop = full[12:15]
        out = engine.run_json(path, *ask, "--stop", stop)
        self.assertEqual(out["text"], full[: full.index(stop)])
        self.assertEqual(out["finish_reason"], "stop")

    def test_no_part_of_a_stop_text_is_ever_shown(self):
        """Streamed text too: what may be the beginning of a stop text is held back."""
        path = engine.build(model_path())
        ask = ("--prompt", "In the beginning", "--max-tokens", "60", "--temperature", "0", "--ignore-eos")
        full = engine.run_json(path, *ask)["text"]
        for start in range(3, min(len(full) - 12, 40), 6):
            stop = full[start : start + 9]
            if "\ufffd" in stop:
                continue
            expected, flags = full[: full.index(stop)], ("--stop", "never there", "--stop", stop)
            self.assertEqual(engine.run_json(path, *ask, *flags)["text"], expected)
            self.assertEqual(engine.call("llmc-run", path, *ask, *flags).removesuffix("\n"), expected.removesuffix("\n"))

    def test_logprobs_are_those_of_the_greedy_choice(self):
        out = engine.run_json(engine.build(model_path()), "--prompt", "And", "--max-tokens", "6", "--temperature", "0",
                              "--ignore-eos", "--repetition-penalty", "1", "--logprobs", "20")
        for entry in out["logprobs"]:
            values = [value for _, value in entry["top"]]
            self.assertEqual(values, sorted(values, reverse=True))
            self.assertEqual(entry["top"][0], [entry["token_id"], entry["logprob"]])
            self.assertLessEqual(sum(math.exp(value) for value in values), 1 + 1e-5)
            self.assertLess(max(values), 0)

    def test_tokenize_prints_what_a_prompt_runs(self):
        path = engine.build(model_path())
        for text in ("In the beginning", "a  b\n", "<|im_start|>user", "\u4e2d\U0001f600"):
            ids = engine.run_json(path, "--tokenize", text)["token_ids"]
            self.assertEqual(ids, engine.run_json(path, "--prompt", text, "--max-tokens", "1")["prompt_token_ids"])
            self.assertEqual(engine.call("llmc-run", path, "--tokenize", text).count("\n"), len(ids))

    def test_text_streams_as_valid_utf_8_and_equals_the_json(self):
        path = engine.build(model_path())
        ask = ("--prompt", "And", "--max-tokens", "80", "--temperature", "0", "--ignore-eos")
        self.assertEqual(engine.call("llmc-run", path, *ask).rstrip("\n"), engine.run_json(path, *ask)["text"].rstrip("\n"))

    def test_the_same_input_gives_the_same_bytes(self):
        """Whatever the number of threads, the names of files and folders, and where they lie."""
        quick = ("--cpu-levels", "x86-64-v3", "--selftest-tokens", "0")
        for kind in ("gguf", "folder", "weights"):
            made = []
            with self.subTest(kind):
                for name, jobs in (("a", 1), ("b", 3)):
                    place = hostile.fresh_folder(f"same-{kind}-{name}")
                    if kind == "gguf":
                        model = shutil.copy(hostile.model_path(hostile.GGUF), place / f"{name}.gguf")
                    else:
                        model = shutil.copytree(model_path(), place / f"folder-{name}")
                        if kind == "weights":
                            model = (model / "model.safetensors").rename(model / f"{name}.safetensors")
                    engine.call("llmc", "build", model, "-o", place / "e.bin", "--quiet", "--jobs", jobs, *([] if kind == "folder" else quick))
                    made.append((place / "e.bin").read_bytes())
                    shutil.rmtree(place)
                self.assertEqual(made[0], made[1])

    def test_bench_and_inspect_print_json(self):
        path = engine.build(model_path())
        flags = ("--prompt-tokens", 16, "--output-tokens", 8, "--streams", 2, "--repeat", 2)
        out = engine.run_json(path, "--bench", *flags)
        text = json.dumps(out)
        self.assertGreaterEqual(text.count('"decode_tokens_per_s"'), 2, text)
        self.assertGreaterEqual(text.count('"prefill_tokens_per_s"'), 2, text)
        self.assertIsInstance(json.loads(engine.call("llmc", "inspect", path, "--json")), dict)

    def test_check_and_selftest_pass(self):
        path = engine.build(model_path())
        engine.call("llmc-run", path, "--check")
        engine.call("llmc-run", path, "--selftest")

    def test_a_waiting_chat_uses_no_cpu(self):
        path = engine.build(model_path())
        main, side = pty.openpty()
        command = [str(engine.BIN / "llmc-run"), str(path), "--chat"]
        child = subprocess.Popen(command, stdin=side, stdout=side, stderr=side, start_new_session=True)
        os.close(side)
        try:
            time.sleep(1.5)
            self.assertIsNone(child.poll(), "the chat ended by itself")
            before = cpu_ticks(child.pid)
            time.sleep(3)
            self.assertLessEqual(cpu_ticks(child.pid) - before, 1)  # a tick is 10 ms
            os.write(main, b"/exit\n")
            self.assertEqual(child.wait(timeout=10), 0)
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
                child.wait()
            os.close(main)


if __name__ == "__main__":
    unittest.main()
