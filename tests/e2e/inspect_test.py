"""What `llmc inspect` and `llmc explain` say, against the bytes of the engine and arithmetic done here."""

import ctypes.util
import json
import pathlib
import re
import struct
import unittest

import engine
import hostile
import quality_test
import tiny_models

MODELS = {"llama-9h3-d64-bf16": ("--quant", "w4"), "qwen2-7h1-d64-bf16": (), "qwen3-3h1-d128-f32": ("--quant", "w8"),
          "gguf-llama-q4_k_m": (), "gguf-qwen2-q5_1": (), "gguf-llama-q5_k": ()}
# bytes of 16 rows x 64 columns
SUPERBLOCK = {"q4n16k4": 576, "q4n16k4-asym": 640, "q8n16k4": 1088, "q5n16k4": 704, "q5n16k4-asym": 768,
              "q4kn16k4": 576, "q5kn16k4": 704, "q6kn16k4": 832}
HEADER = {"q4kn16k4": 64, "q5kn16k4": 64, "q6kn16k4": 32}  # bytes of 16 rows x 256 columns, before a panel's superblocks
LAYOUT_OF = {"Q4_K": "q4kn16k4", "Q5_K": "q5kn16k4", "Q6_K": "q6kn16k4", "Q5_1": "q5n16k4-asym"}
ELEMENT = {"f32n16": 4, "f16n16": 2, "bf16n16k2": 2}


def round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def packed_bytes(weight: dict) -> int:
    rows, columns = (weight["shape"] + [1])[:2]
    layout = weight["layout"]
    if layout == "plain":
        return 4 * rows * columns
    if layout in SUPERBLOCK:
        header = round_up(columns // 256 * HEADER.get(layout, 0), 64)
        return round_up(rows, 16) // 16 * (header + round_up(columns, 64) // 64 * SUPERBLOCK[layout])
    return round_up(rows, 16) * round_up(columns, 2 if layout == "bf16n16k2" else 1) * ELEMENT[layout]


def section_table(path: pathlib.Path) -> list[tuple]:
    """(offset, size, padded) of each section, read from the header as runtime/format/layout.h draws it."""
    data = path.read_bytes()
    count = struct.unpack_from("<I", data, 40)[0]
    return [struct.unpack_from("<QQQ", data, 4096 + 56 * i + 8) for i in range(count)]


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Inspect(unittest.TestCase):
    def each(self):
        for name, flags in MODELS.items():
            spec = next(s for s in tiny_models.SPECS if s.name == name)
            path = engine.build(tiny_models.write(spec, engine.work_dir() / "models"), *flags)
            with self.subTest(name):
                yield spec, pathlib.Path(path)

    def test_sizes_are_those_of_the_file(self):
        for spec, path in self.each():
            facts = json.loads(engine.call("llmc", "inspect", path, "--json"))
            self.assertEqual(facts["file_bytes"], path.stat().st_size)
            self.assertEqual([(s["offset"], s["bytes"], s["padded_bytes"]) for s in facts["sections"]], section_table(path))
            for weight in facts["weights"]:
                self.assertEqual(weight["bytes"], packed_bytes(weight), weight)
            total = sum(round_up(w["bytes"], 64) for w in facts["weights"])
            self.assertLessEqual(abs(facts["memory"]["weights_bytes"] - total), 4096)  # the tail that kernels may read
            for key in ("heads", "kv_heads", "head_dim", "layers"):
                self.assertEqual(facts["model"][key], getattr(spec, key), key)

    def test_types_of_the_file_are_named(self):
        for spec, path in self.each():
            weights = json.loads(engine.call("llmc", "inspect", path, "--json"))["weights"]
            matrices = [w for w in weights if len(w["shape"]) == 2 and w["name"] != "rope_table"]
            if spec.gguf:
                self.assertEqual({w["stored"] for w in matrices}, {"Q4_K", "Q6_K"} if spec.kind == "Q4_K_M" else {spec.kind})
                self.assertEqual({w["layout"] for w in matrices}, {LAYOUT_OF[w["stored"]] for w in matrices})
            else:
                self.assertEqual({w["stored"] for w in matrices}, {spec.kind})
            for weight in matrices:
                rows, columns = weight["shape"]
                self.assertAlmostEqual(weight["bits"], 8 * weight["bytes"] / rows / columns, delta=0.006)

    def test_memory_formula_gives_its_examples(self):
        for spec, path in self.each():
            memory = json.loads(engine.call("llmc", "inspect", path, "--json"))["memory"]
            self.assertEqual(memory["kv_bytes_per_token"], 2 * 2 * spec.layers * spec.kv_heads * spec.head_dim)
            for program in memory["programs"]:
                for example in program["examples"]:
                    expected = (program["fixed_bytes"] + program["bytes_per_token"] * (example["tokens"] + 16) +
                                program["bytes_per_row"] * (example["rows"] + 16) +
                                program["bytes_per_worker"] * example["workers"])
                    self.assertEqual(example["bytes"], expected, program["name"])

    def test_explained_code_is_the_code_of_the_engine(self):
        for _, path in self.each():
            facts = json.loads(engine.call("llmc", "inspect", path, "--json"))
            kernels = json.loads(engine.call("llmc", "explain", path, "--json"))["kernels"]
            self.assertEqual(len(kernels), facts["kernels"])
            for level in facts["levels"]:
                code = sum(v["bytes"][level["name"]] for k in kernels for v in k["variants"])
                self.assertLessEqual(code, level["code_bytes"])  # the rest is constants and alignment
                self.assertGreater(code, level["code_bytes"] // 2)
                self.assertIsNone(level["packed_bytes"])
            for kernel in kernels:
                self.assertGreater(sum(kernel["launches"].values()), 0, kernel["name"])
                self.assertEqual(kernel["variants"][-1]["m_max"], 0)

    def test_a_norms_kernel_is_from_norms(self):
        """Though it rounds for the products that come after it, none of which it computes."""
        for _, path in self.each():
            kernels = json.loads(engine.call("llmc", "explain", path, "--json"))["kernels"]
            norms = [k for k in kernels if k["family"] == "norm"]
            self.assertGreater(len(norms), 0)
            for kernel in norms:
                self.assertRegex(" ".join(kernel["origin"]), r"^((layers\.\d+\.)?(embedding|norm|(attention|mlp)_norm|(attention|mlp)\.add) ?)+$")

    def test_text_tells_each_kernel_and_one_kernel(self):
        for _, path in self.each():
            kernels = json.loads(engine.call("llmc", "explain", path, "--json"))["kernels"]
            whole = engine.call("llmc", "explain", path)
            for kernel in kernels:
                self.assertIn(f"\n{kernel['name']}\n", "\n" + whole)
            one = engine.call("llmc", "explain", path, "--kernel", kernels[0]["name"])
            self.assertTrue(one.startswith(kernels[0]["name"] + "\n"))
            self.assertNotIn(f"\n{kernels[1]['name']}\n", one)


EXPLAIN = 8  # kind of the section


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@unittest.skipUnless(ctypes.util.find_library("xxhash"), "no libxxhash to sign changed engines with")
class BrokenExplanation(unittest.TestCase):
    """The explanation is text beside the plan: what does not agree with it is refused, and the engine runs all the same."""

    def refused(self, change, status: int, *names):
        path = hostile.fresh_folder("explain") / "engine.bin"
        built = engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3").read_bytes()
        path.write_bytes(quality_test.with_text(built, EXPLAIN, change))
        for flags in ((), ("--json",)):
            hostile.check_refusal(self, hostile.run("llmc", "explain", path, *flags), status, "EN_EXPLAIN", names)
        self.assertEqual(hostile.run("llmc-run", path, "--prompt-ids", "1", "--max-tokens", "1").status, 0)

    def test_no_json(self):
        self.refused(lambda text: b"[" + text[1:], 65, "cannot be read", "build the engine again")
        self.refused(lambda text: text.replace(b'"origin"', b'"origan"', 1), 65, "cannot be read")

    def test_another_kernel_or_other_code(self):
        name = json.loads(engine.call("llmc", "explain", engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3"), "--json"))["kernels"][0]["name"]
        other = "x" * len(name)
        self.refused(lambda text: text.replace(f'"name":"{name}"'.encode(), f'"name":"{other}"'.encode(), 1), 65, "kernel", other)
        self.refused(lambda text: re.sub(rb'("bytes":\{"x86-64-v3":)(\d)', lambda m: m[1] + str(int(m[2]) % 9 + 1).encode(), text, count=1),
                     65, "variants of kernel")

    def test_none(self):
        self.refused(lambda text: b"{}" + b" " * (len(text) - 2), 65, "cannot be read")


if __name__ == "__main__":
    unittest.main()
