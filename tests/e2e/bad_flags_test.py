"""Command lines, prompts and streams that must be refused, or survived, by llmc and llmc-run."""

import json
import os
import resource
import subprocess
import unittest

import engine
import hostile
from hostile import each

ASK = ("--prompt-ids", "1,2,3", "--max-tokens", "2", "--temperature", "0")
PROMPT = ("--prompt", "In")


def built(name=hostile.MODEL):
    return engine.build(hostile.model_path(name), "--cpu-levels", "x86-64-v3")


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    *((f"{flag}_{i}".replace("-", "_"), (*PROMPT, f"--{flag}={value}"), "CLI_NUMBER", [f"--{flag}"])
      for flag, values in (
          ("max-tokens", ("0", "-1", "1.5", "x", "", "99999999999999999999", "1e3", "0x10", " 1", "1 ")),
          ("temperature", ("-0.1", "nan", "inf", "1e999", "hot", "1,5")), ("top-p", ("0", "1.1", "-1", "nan")),
          ("top-k", ("-2", "2.5")), ("min-p", ("-0.1", "2")), ("repetition-penalty", ("0", "-1", "nan", "1e9")),
          ("seed", ("-1", "18446744073709551616", "one")), ("logprobs", ("-1", "21", "1000000")),
          ("threads", ("0", "-4", "1025", "all")), ("max-model-len", ("0", "-2", "automatic", "9999999999")),
          ("kv-memory", ("0", "-1G", "1X", "G", "1GG", "1e40", "nan", "inf")))
      for i, value in enumerate(values)),
    *((f"prompt_ids_{i}", (f"--prompt-ids={value}",), "CLI_NUMBER", ["--prompt-ids"])
      for i, value in enumerate(("", "a", "1,", ",1", "1,,2", "-", "1.5", "1, 2", "2147483648", "9" * 400))),
    ("unknown_flag", (*PROMPT, "--frobnicate"), "CLI_FLAG", ["frobnicate"]),
    ("unknown_short_flag", (*PROMPT, "-z"), "CLI_FLAG", ["z"]),
    ("value_missing", ("--prompt",), "CLI_FLAG", ["prompt"]),
    ("value_of_a_switch", (*PROMPT, "--json=maybe"), None, []),
    ("flag_twice", (*PROMPT, "--seed=1", "--seed=2"), "CLI_FLAG", ["--seed"]),
    ("argument_too_many", (*PROMPT, "more"), "CLI_FLAG", ["more"]),
    *((f"modes_{i}", modes, "CLI_MODE", [m for m in modes if m.startswith("--")][:2]) for i, modes in enumerate((
        (*PROMPT, "--chat"), ("--check", "--selftest"), (*PROMPT, "--message", "x"), ("--bench", "--perplexity", "f"),
        ("--prompt-ids", "1", *PROMPT)))),
    *((f"idle_flag_{i}", flags, "CLI_FLAG", [name]) for i, (flags, name) in enumerate((
        (("--json",), "--json"), (("--max-tokens", "5"), "--max-tokens"), (("--check", "--temperature=0",), "--temperature"),
        ((*PROMPT, "--port", "0"), "--port"), (("--check", "--threads", "2"), "--threads"),
        (("--bench", "--seed", "1"), "--seed"), ((*PROMPT, "--dump-logits", "f", "--json"), "--json")))),
    ("system_without_a_chat", (*PROMPT, "--system", "be kind"), "CLI_FLAG", ["--system"]),
    ("stop_empty", (*PROMPT, "--stop="), "CLI_STOP", ["empty"]),
    ("stops_17", (*PROMPT, *("--stop=x",) * 17), "CLI_STOP", ["17"]),
    ("stop_too_long", (*PROMPT, "--stop", "x" * 257), "CLI_STOP", ["257"]),
    ("stop_no_utf_8", (*PROMPT, b"--stop=\xff"), "CLI_STOP", ["UTF-8"]),
    ("chunk_too_long", ("--perplexity", "/dev/null", "--chunk", "999999"), "RT_CONTEXT", ["999999"]),
    ("bench_longer_than_the_context", ("--bench", "--prompt-tokens", "4000"), "RT_CONTEXT", ["4128", "2048", "--prompt-tokens"]),
    ("context_longer_than_the_model", (*PROMPT, "--max-model-len", "2049"), "RT_CONTEXT", ["2049", "2048"]),
)
class RunFlags(unittest.TestCase):
    def check(self, flags, code, names):
        ended = hostile.run("llmc-run", built(), *flags, "--json") if code is None else hostile.run("llmc-run", built(), *flags)
        self.assertGreaterEqual(ended.status, 0)
        if code:
            hostile.check_refusal(self, ended, 64, code, names)
        else:
            self.assertIn(ended.status, (0, 64), ended.err)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    ("nothing", (), None, []),
    ("command_unknown", ("compile", "x"), "USAGE", ["compile"]),
    ("help_unknown", ("help", "compile"), "USAGE", ["compile"]),
    ("no_model", ("build", "-o", "OUT"), "USAGE", ["MODEL"]),
    ("two_models", ("build", "MODEL", "MODEL", "-o", "OUT"), "USAGE", ["2"]),
    ("no_output", ("build", "MODEL"), "USAGE", ["-o"]),
    ("output_to_stdout", ("build", "MODEL", "-o", "-"), "USAGE", ["-o -", "./-"]),
    ("output_without_value", ("build", "MODEL", "-o"), "USAGE", ["o"]),
    ("flag_unknown", ("build", "MODEL", "-o", "OUT", "--fast"), "USAGE", ["fast"]),
    *((f"twice_{i}", ("build", "MODEL", "-o", "OUT", *flags), "USAGE", [name, "twice"]) for i, (flags, name) in enumerate((
        (("--jobs", "1", "--jobs", "2"), "--jobs"), (("--output", "OUT"), "--output"), (("--force", "--force"), "--force"),
        (("--quant=w4", "--quant", "w4"), "--quant")))),
    ("inspect_twice", ("inspect", "MODEL", "--json", "--json"), "USAGE", ["--json", "twice"]),
    ("quiet_and_verbose", ("build", "MODEL", "-o", "OUT", "--quiet", "--verbose"), "USAGE", ["--quiet", "--verbose"]),
    *((f"jobs_{i}", ("build", "MODEL", "-o", "OUT", f"--jobs={n}"), "USAGE", ["--jobs"]) for i, n in enumerate(("-1", "x", "1.5", "1025", "9" * 30))),
    ("quant_unknown", ("build", "MODEL", "-o", "OUT", "--quant", "w3"), "USAGE", ["w3", "w4"]),
    ("activations_unknown", ("build", "MODEL", "-o", "OUT", "--activations", "int4"), "USAGE", ["int4", "int8"]),
    ("target_unknown", ("build", "MODEL", "-o", "OUT", "--target", "tpu"), "USAGE", ["tpu", "cpu"]),
    ("level_unknown", ("build", "MODEL", "-o", "OUT", "--cpu-levels", "x86-64-v3,sse9"), "USAGE", ["sse9", "x86-64-v4-vnni-bf16"]),
    ("levels_none", ("build", "MODEL", "-o", "OUT", "--cpu-levels", ","), "USAGE", ["level"]),
    ("pass_unknown", ("build", "MODEL", "-o", "OUT", "--print-ir-after", "magic"), "USAGE", ["magic"]),
    ("phase_unknown", ("build", "MODEL", "-o", "OUT", "--stop-after", "lunch"), "USAGE", ["lunch", "graph"]),
    ("inspect_nothing", ("inspect",), "USAGE", []),
    ("explain_nothing", ("explain",), "USAGE", []),
)
class CompilerFlags(unittest.TestCase):
    def check(self, arguments, code, names):
        out = hostile.fresh_folder("out") / "engine.bin"
        arguments = [{"MODEL": hostile.model_path(), "OUT": out}.get(a, a) for a in arguments]
        ended = hostile.run("llmc", *arguments)
        if code:
            hostile.check_refusal(self, ended, 64, code, names)
        else:
            self.assertEqual((ended.status, ended.out), (64, b""))
            self.assertIn("llmc build", ended.err)
        self.assertEqual(os.listdir(out.parent), [])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Prompts(unittest.TestCase):
    def test_ids_outside_the_vocabulary(self):
        for ids, names in (("521", ["521, number 1 of 1"]), ("1,2,2147483647", ["2147483647, number 3 of 3"]), ("1,-1,2", ["-1, number 2 of 3"])):
            hostile.refuse_run(self, built(), "--prompt-ids", ids, status=65, code="RT_TOKEN_ID", names=[*names, "0 to 520"])
        self.assertEqual(hostile.run("llmc-run", built(), "--prompt-ids", "520", "--max-tokens", "1").status, 0)

    def test_empty_prompts(self):
        """A model that puts no BOS in front has nothing to run; one that does begins from it."""
        empty = hostile.fresh_folder("text") / "empty.txt"
        empty.touch()
        for flags in (("--prompt", ""), ("--prompt-file", empty), ("--prompt-file", "-"), ("--perplexity", empty)):
            with self.subTest(flags=flags[0]):
                hostile.refuse_run(self, built(), *flags, status=65, code="RT_PROMPT_EMPTY")
        out = engine.run_json(built("llama-3h1-d64-f32"), "--prompt", "", "--max-tokens", "2", "--ignore-eos")
        self.assertEqual((len(out["prompt_token_ids"]), len(out["token_ids"])), (1, 2))

    def test_longer_than_the_context(self):
        hostile.refuse_run(self, built(), "--prompt-ids", ",".join(["1"] * 2048), status=65, code="RT_CONTEXT", names=["2048"])
        flags = ("--max-model-len", "32", "--max-tokens", "100", "--ignore-eos")
        hostile.refuse_run(self, built(), "--prompt-ids", ",".join(["1"] * 32), *flags, status=65, code="RT_CONTEXT", names=["32"])
        out = engine.run_json(built(), "--prompt-ids", ",".join(["1"] * 31), *flags)
        self.assertEqual((len(out["token_ids"]), out["finish_reason"]), (1, "length"))

    def test_more_context_than_kv_memory(self):
        hostile.refuse_run(self, built(), *PROMPT, "--max-model-len", "2048", "--kv-memory", "100K", status=69, code="RT_KV_MEMORY",
                           names=["2048", "--kv-memory", "100"])
        hostile.refuse_run(self, built(), *PROMPT, "--kv-memory", "1", status=69, code="RT_KV_MEMORY")
        out = engine.run_json(built(), "--prompt", "In", "--kv-memory", "500K", "--max-tokens", "5000", "--ignore-eos")
        self.assertEqual(out["finish_reason"], "length")
        self.assertLess(len(out["token_ids"]), 2048)

    def test_more_kv_memory_than_the_machine(self):
        ended = hostile.run("llmc-run", built(), *PROMPT, "--kv-memory", "4000000T", "--max-tokens", "1")
        self.assertIn(ended.status, (0, 64, 69), ended.err)

    def test_invalid_utf_8(self):
        for content in (b"\xff\xfe", b"In \xc3", b"\xed\xa0\x80", b"\x80"):
            path = hostile.fresh_folder("text") / "prompt.txt"
            path.write_bytes(content)
            for flags in (("--prompt", content), ("--prompt-file", path), ("--message", content), ("--tokenize", content), ("--perplexity", path)):
                with self.subTest(flags=flags):
                    ended = hostile.run("llmc-run", built(), *flags, "--json")
                    if ended.status == 0:  # --message renders through JSON, where U+FFFD stands for what is no text
                        self.assertEqual(flags[0], "--message")
                        json.loads(ended.out)
                    else:
                        hostile.check_refusal(self, ended, 64, "TK_UTF8", [path.name] if flags[1] == path else [])

    def test_nul_and_control_characters_in_a_prompt(self):
        path = hostile.fresh_folder("text") / "prompt.txt"
        path.write_bytes(b"a\0b\x1b[31m\x7f")
        out = engine.run_json(built(), "--prompt-file", path, "--max-tokens", "1")
        self.assertGreaterEqual(len(out["prompt_token_ids"]), 7)

    def test_prompt_files_that_are_none(self):
        folder = hostile.fresh_folder("text")
        for flag in ("--prompt-file", "--perplexity"):
            hostile.refuse_run(self, built(), flag, folder, status=74, code="CLI_FILE", names=[folder.name, "directory"])
            hostile.refuse_run(self, built(), flag, folder / "none", status=66, code="CLI_FILE", names=["none"])
            with open(folder / "large", "wb") as large:
                large.truncate(65 << 20)
            hostile.refuse_run(self, built(), flag, folder / "large", status=65, code="CLI_FILE", names=["large"])

    def test_a_prompt_of_a_mebibyte(self):
        path = hostile.fresh_folder("text") / "prompt.txt"
        for text in ("A" * (1 << 20), "^" * (1 << 20), "\u4e2d" * 26_000, "a\u0301" * 100_000):
            path.write_text(text)
            with self.subTest(text=text[:2]):
                ended = hostile.run("llmc-run", built(), "--prompt-file", path)
                hostile.check_refusal(self, ended, 65, "RT_CONTEXT", ["2048"], cpu=4)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Streams(unittest.TestCase):
    MANY = ("--prompt-ids", "1,2,3", "--max-tokens", "1500", "--ignore-eos", "--seed", "1")

    def test_stdout_full(self):
        for command in (("llmc-run", built(), *ASK), ("llmc-run", built(), *ASK, "--json"), ("llmc-run", "--help"),
                        ("llmc-run", built(), "--check"), ("llmc-run", built(), "--tokenize", "In")):
            with self.subTest(command=command[-1]), open("/dev/full", "wb") as full:
                hostile.check_refusal(self, hostile.run(*command, stdout=full), 74, "CLI_OUTPUT", ["No space"])
        for command in (("inspect", built()), ("explain", built()), ("--help",), ("--version",), ("help", "build"), ("build", "--help")):
            with self.subTest(command=command), open("/dev/full", "wb") as full:
                hostile.check_refusal(self, hostile.run("llmc", *command, stdout=full), 74, "OUT_IO", ["stdout"])

    def shell(self, script: str):
        """The script in bash; $BIN and $ENGINE are set."""
        env = os.environ | {"BIN": str(engine.BIN), "ENGINE": str(built()), "MODEL": str(hostile.model_path())}
        return subprocess.run(["bash", "-c", script], env=env, capture_output=True, timeout=120, cwd=hostile.fresh_folder("out"))

    def test_reader_gone(self):
        """Nothing is said, and the status is what shells make of SIGPIPE."""
        flags = " ".join(self.MANY)
        for command in (f'"$BIN/llmc-run" "$ENGINE" {flags} | head -c 1', '(sleep 0.2; exec "$BIN/llmc-run" --help) | true',
                        *(f'(sleep 0.2; exec "$BIN/llmc" {call}) | true' for call in ('explain "$ENGINE"', 'inspect "$ENGINE"', "help build", "--help"))):
            with self.subTest(command):
                done = self.shell(command + " >/dev/null; echo ${PIPESTATUS[0]}")
                self.assertEqual(done.stdout, b"141\n", done.stderr)
                self.assertNotIn(b"error", done.stderr)

    def test_a_build_whose_messages_nobody_reads(self):
        done = self.shell('"$BIN/llmc" build "$MODEL" -o e.bin --cpu-levels x86-64-v3 2>&1 | true; echo ${PIPESTATUS[0]}; ls -A')
        self.assertEqual(done.stdout, b"0\ne.bin\n", done.stderr)

    def test_closed_standard_streams(self):
        """The first files a program opens must not get the numbers of stdin, stdout and stderr."""
        done = self.shell('"$BIN/llmc" build "$MODEL" -o e.bin --cpu-levels x86-64-v3 <&- >&- 2>&-; echo $?; "$BIN/llmc-run" e.bin --check')
        self.assertEqual((done.stdout.split(b"\n")[0], done.returncode), (b"0", 0), done.stderr)
        done = self.shell('"$BIN/llmc-run" "$ENGINE" --prompt In --max-tokens 3 >&-; echo $?')
        self.assertEqual(done.stdout, b"74\n", done.stderr)
        done = self.shell('"$BIN/llmc-run" "$ENGINE" --prompt In --max-tokens 3 --ignore-eos --seed 1 2>&-')
        self.assertEqual(done.returncode, 0)
        done = self.shell('"$BIN/llmc-run" "$ENGINE" --prompt-file - --max-tokens 3 <&-')
        self.assertIn(done.returncode, (65, 74), done.stderr)
        self.assertEqual(done.stdout, b"")

    def test_dump_logits_to_a_full_disk(self):
        hostile.refuse_run(self, built(), *ASK[:2], "--dump-logits", "/dev/full", status=74, code="CLI_OUTPUT", names=["/dev/full"])
        out = hostile.fresh_folder("out") / "none" / "logits"
        hostile.refuse_run(self, built(), *ASK[:2], "--dump-logits", out, status=74, code="CLI_OUTPUT", names=["logits"])

    def test_few_resources(self):
        """Refused with a status where files are short; never a signal."""
        for value in (4, 5, 8, 256):
            with self.subTest(files=value):
                ended = hostile.run("llmc-run", built(), *ASK, limit=(resource.RLIMIT_NOFILE, value))
                self.assertGreaterEqual(ended.status, 0, ended.err)
                self.assertTrue(ended.status == 0 or "error[" in ended.err, ended.err)


if __name__ == "__main__":
    unittest.main()
