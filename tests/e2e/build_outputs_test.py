"""What `llmc build` writes: never over what it reads, remarks that can be written or no engine, dumps of one build only."""

import os
import pathlib
import re
import shutil
import unittest

import engine
import hostile
import smollm2

QUICK = ("--cpu-levels", "x86-64-v3", "--quality", "off", "--selftest-tokens", "0")


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def build(model, output, *flags, **how):
    return hostile.run("llmc", "build", model, "-o", output, *QUICK, *flags, **how)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class DocumentedDumps(unittest.TestCase):
    def test_files_that_readmes_name_are_written(self):
        """A pass more or less shifts the numbers: READMEs that follow the IR through them must follow."""
        dumps = hostile.fresh_folder("dumps")
        ended = build(hostile.model_path(hostile.GGUF), dumps / "e.bin", "--print-ir-after=all", "--dump-dir", dumps / "d")
        self.assertEqual(ended.status, 0, ended.err)
        root = pathlib.Path(__file__).resolve().parents[2]
        for readme in (root / "README.md", root / "examples" / "01_inspect_ir" / "README.md"):
            named = set(re.findall(r"\b\d+-[a-z-]+\.mlir\b", readme.read_text()))
            self.assertGreater(len(named), 3, readme)
            self.assertEqual(sorted(named - set(os.listdir(dumps / "d"))), [], readme)

    def test_the_first_screen_of_the_readme_has_all_that_a_reader_looks_for(self):
        """What it is, the stages as a picture, two commands, results with machine and peer, limits, where to add what."""
        text = "\n".join((pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text().splitlines()[:60])
        parts = re.split(r"^#+ ", text, flags=re.M)[1:]
        self.assertEqual([part.splitlines()[0] for part in parts], ["llmc", "Results", "Limits", "Where to add"])
        for part, wanted in zip(parts, (("--1-->", "--6-->", "./examples/quickstart.sh", "./tests/run.sh"), ("llama.cpp", "Machines:", "| decode"),
                                        ("- ",), ("| a model family |", "| an op |", "| a kernel family |", "| a pass |", "CONTRIBUTING.md"))):
            for each in wanted:
                self.assertIn(each, part)

    def test_excerpts_are_what_the_real_model_gives(self):
        """Each line of the layer that the README follows stands in its dump; `...` is anything within a line."""
        text = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
        blocks = re.findall(r"\*\*`([^`]+)`.*?```(?:mlir|asm)\n(.*?)```", text.split("## One layer")[1].split("\n## ")[0], re.DOTALL)
        self.assertGreaterEqual(len(blocks), 7)
        dumps = hostile.fresh_folder("excerpts")
        ended = hostile.run("llmc", "build", smollm2.gguf(), "-o", dumps / "e.bin", "--print-ir-after=all", "--dump-dir", dumps / "d",
                            "--cpu-levels", "x86-64-v4-vnni-bf16", seconds=120)
        self.assertEqual(ended.status, 0, ended.err)
        for name, lines in blocks:
            pattern = name.replace("NNN", "*")
            found = [*(dumps / "d").glob(pattern), *(dumps / "d").glob("kernels-*/" + pattern)]
            self.assertEqual(len(found), 1, name)
            dump = re.sub(r"\s+", " ", found[0].read_text())
            for line in filter(None, (re.sub(r"\s+", " ", line.strip()) for line in lines.splitlines())):
                with self.subTest(name, line=line):
                    self.assertTrue(line == "..." or re.search(".{0,400}?".join(map(re.escape, line.split("..."))), dump))


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Outputs(unittest.TestCase):
    def refuse(self, folder, ended, status, code, *names):
        """Refused, and nothing in the folder is new, gone or changed."""
        before = self.before
        hostile.check_refusal(self, ended, status, code, names)
        self.assertEqual(contents(folder), before)

    def test_the_model_is_no_output(self):
        folder = hostile.fresh_folder("model")
        model = folder / "g.gguf"
        shutil.copy(hostile.model_path(hostile.GGUF), model)
        (folder / "soft").symlink_to(model)
        os.link(model, folder / "hard.bin")
        self.before = contents(folder)
        for output in (model, folder / "soft", folder / "hard.bin", folder / "." / "g.gguf"):
            self.refuse(folder, build(model, output, "--force"), 64, "OUT_IS_INPUT", "g.gguf", "another file")
        self.refuse(folder, build(folder / "soft", model, "--force"), 64, "OUT_IS_INPUT", "g.gguf")
        self.refuse(folder, build("g.gguf", "g.gguf", "--force", cwd=folder), 64, "OUT_IS_INPUT", "g.gguf")
        self.refuse(folder, build(model, folder / "e.bin", "--remarks", model), 64, "OUT_IS_INPUT", "--remarks", "g.gguf")

    def test_no_file_of_the_model_folder_is_an_output(self):
        folder = hostile.model_copy()
        os.symlink(folder / "config.json", folder / "linked.json")
        self.before = contents(folder)
        names = sorted(self.before)
        self.assertLess({"config.json", "tokenizer.json", "model.safetensors"}, set(names))
        for name in names:
            self.refuse(folder, build(folder, folder / name, "--force"), 64, "OUT_IS_INPUT", name)
        self.refuse(folder, build(folder / "model.safetensors", folder / "config.json", "--force"), 64, "OUT_IS_INPUT", "config.json")
        self.refuse(folder, build("model.safetensors", "config.json", "--force", cwd=folder), 64, "OUT_IS_INPUT", "config.json")

    def test_an_engine_in_the_model_folder_is_replaced(self):
        folder = hostile.model_copy()
        for flags in (("--quiet",), ("--quiet",), ("--force", "--verbose")):
            ended = build(folder, folder / "engine.bin", *flags)
            self.assertEqual(ended.status, 0)
        self.assertRegex(ended.err, r"packing, seconds of all threads: reading [0-9.]+, .*; of the writer: writing [0-9.]+, digests [0-9.]+\n")

    def test_remarks_that_cannot_be_written(self):
        folder = hostile.fresh_folder("out")
        self.before = {}
        out = folder / "e.bin"
        ended = build(hostile.model_path(), out, "--remarks", folder / "none" / "x")
        self.refuse(folder, ended, 74, "OUT_IO", "none/x")
        self.assertNotIn("code generation", ended.err, "before the work")
        ended = build(hostile.model_path(), out, "--remarks", "/dev/full")
        self.refuse(folder, ended, 74, "OUT_IO", "/dev/full", "No space")
        self.assertNotIn("code generation", ended.err, "before code is made")
        self.refuse(folder, build(hostile.model_path(), out, "--remarks", out), 64, "OUT_PATH", "e.bin")
        self.refuse(folder, build(hostile.model_path(), out, "--dump-dir", "/dev/null/x"), 74, "OUT_IO", "/dev/null/x")
        self.assertFalse(out.exists())

    def test_texts_replace_no_engine_and_no_model(self):
        """Given by mistake as an output that is a text or a folder: another engine, another model, the tuning file that the build reads."""
        folder = hostile.fresh_folder("mistake")
        shutil.copy(hostile.model_path(hostile.GGUF), folder / "other.gguf")
        shutil.copy(hostile.model_path() / "model.safetensors", folder / "other.safetensors")
        shutil.copy(engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3"), folder / "other.bin")
        (folder / "cpu.tuning").write_text("llmc-tuning 1\n")
        self.before = contents(folder)
        for name in ("other.gguf", "other.safetensors", "other.bin"):
            for flags in ((), ("--force",), ("--stop-after", "graph")):
                self.refuse(folder, build(hostile.model_path(), folder / "e.bin", "--remarks", folder / name, *flags), 64, "OUT_EXISTS", "--remarks", name)
            self.refuse(folder, build(hostile.model_path(), folder / "e.bin", "--dump-dir", folder / name, "--force"), 74, "OUT_IO", name)
        tuned = ("--tuning", folder / "cpu.tuning")
        self.refuse(folder, build(hostile.model_path(), folder / "e.bin", *tuned, "--remarks", folder / "cpu.tuning"), 64, "OUT_IS_INPUT", "cpu.tuning")
        self.refuse(folder, build(hostile.model_path(), folder / "cpu.tuning", *tuned, "--force"), 64, "OUT_IS_INPUT", "cpu.tuning")

    def test_remarks_of_a_build_that_fails_leave_no_file(self):
        folder = hostile.model_copy()
        (folder / "tokenizer.json").unlink()
        remarks = hostile.fresh_folder("out") / "remarks"
        ended = build(folder, remarks.parent / "e.bin", "--remarks", remarks)
        hostile.check_refusal(self, ended, 66, "IX_MISSING", [f"{folder}/tokenizer.json"])
        self.assertFalse(remarks.exists())
        ended = build(folder, remarks.parent / "e.bin", "--print-ir-after=all", "--dump-dir", remarks.parent / "made" / "dump")
        hostile.check_refusal(self, ended, 66, "IX_MISSING", [f"{folder}/tokenizer.json"])
        self.assertFalse((remarks.parent / "made").exists())
        remarks.write_bytes(hostile.OLD)
        build(folder, remarks.parent / "e.bin", "--remarks", remarks)
        self.assertEqual(remarks.read_bytes(), hostile.OLD)
        self.assertEqual(build(hostile.model_path(), remarks.parent / "e.bin", "--remarks", remarks, "--quiet").status, 0)
        self.assertIn("fused", remarks.read_text())
        self.assertNotIn(hostile.OLD.decode(), remarks.read_text())

    def test_dumps_of_two_builds_do_not_mix(self):
        folder = hostile.fresh_folder("dump")
        flags = ("--dump-dir", folder)
        self.assertEqual(build(hostile.model_path(), folder.parent / "e.bin", *flags, "--print-ir-after", "all", "--quiet").status, 0)
        (folder / "notes.txt").write_text("mine")
        (folder / "kernels-x86-64-v3" / "notes.s").write_text("mine")
        self.before = contents(folder)
        stop = ("--stop-after", "graph", *flags)
        self.refuse(folder, hostile.run("llmc", "build", hostile.model_path(), *stop), 64, "OUT_EXISTS", str(folder), "--force")
        self.assertEqual(hostile.run("llmc", "build", hostile.model_path(), *stop, "--force").status, 0)
        self.assertEqual(sorted(contents(folder)), ["000-graph.mlir", "kernels-x86-64-v3/notes.s", "notes.txt"])

    def test_the_lowering_of_kernels_is_a_pass_by_name(self):
        """kern-lower-cpu runs on each variant by itself; a build prints it as the passes before it."""
        folder = hostile.fresh_folder("dump")
        ended = build(hostile.model_path(), folder.parent / "e.bin", "--print-ir-after", "kern-lower-cpu", "--quiet", "--force")
        self.assertEqual(ended.status, 0, ended.err)
        heads = re.findall(r"^// IR after (.*)$", ended.err, flags=re.M)
        self.assertEqual({head.split(": ")[0] for head in heads}, {"kern-lower-cpu"})
        self.assertEqual({head.split(", ")[1] for head in heads}, {"x86-64-v3"})
        self.assertEqual(len(re.findall(r"^  func\.func @", ended.err, flags=re.M)), len(heads))
        self.assertGreater(len(heads), 10)
        ended = build(hostile.model_path(), folder.parent / "e.bin", "--print-ir-before", "kern-lower-cpu", "--dump-dir", folder, "--quiet", "--force")
        self.assertEqual(ended.status, 0, ended.err)
        self.assertIn("plan.engine", (folder / "000-before-kern-lower-cpu.mlir").read_text())

    def test_the_ir_where_a_build_stops(self):
        shown = {"import": "llm.", "graph": "llm.", "kernels": "kern.func", "plan": "plan.engine"}
        for phase, op in shown.items():
            folder = hostile.fresh_folder("dump")
            ended = hostile.run("llmc", "build", hostile.model_path(), "--stop-after", phase, "--dump-dir", folder)
            self.assertEqual(ended.status, 0, ended.err)
            self.assertEqual(list(contents(folder)), [f"000-{phase}.mlir"])
            self.assertIn(op.encode(), contents(folder)[f"000-{phase}.mlir"])

    def test_int8_activations_without_integer_weights_are_told(self):
        flags = ("--stop-after", "graph", "--activations", "int8")
        told = {}
        for quant in ("native", "w8"):
            ended = hostile.run("llmc", "build", hostile.model_path(), *flags, "--quant", quant)
            self.assertEqual(ended.status, 0, ended.err)
            told[quant] = [line for line in ended.err.splitlines() if line.startswith("warning: --activations int8")]
        self.assertEqual((len(told["native"]), len(told["w8"])), (1, 0))
        self.assertIn("no matrix has integer weights", told["native"][0])
        self.assertEqual(hostile.run("llmc", "build", hostile.model_path(), *flags, "--quiet").err, "")

    def test_a_folder_that_is_no_model_is_named(self):
        folder = hostile.fresh_folder("none")
        hostile.check_refusal(self, build(folder, folder / "e.bin"), 66, "IX_MISSING", [f"{folder}/config.json: cannot open"])

    def test_a_small_number_can_be_read(self):
        folder = hostile.model_copy()
        hostile.edit_json(folder / "config.json", {"rms_norm_eps": 0})
        ended = build(folder, hostile.fresh_folder("out") / "e.bin")
        hostile.check_refusal(self, ended, 65, "CF_RANGE", ["0 is not in 1e-"])
        self.assertNotIn("0.000000", ended.err)

    def test_a_damaged_engine_is_named(self):
        path = hostile.fresh_folder("broken") / "mine.bin"
        whole = engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3").read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for content, code in ((whole[:-5000], "EN_TRUNCATED"), (bytes(flipped), "EN_DIGEST"), (b"no engine" * 9000, "EN_MAGIC")):
            path.write_bytes(content)
            for command in (("llmc-run", path, "--check"), ("llmc-run", path, "--prompt-ids", "1"), ("llmc", "inspect", path)):
                hostile.check_refusal(self, hostile.run(*command), 65, code, [f"'{path}'"])


if __name__ == "__main__":
    unittest.main()
