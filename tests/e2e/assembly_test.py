"""The code of the hot kernels at every CPU level, those that this machine cannot run too: the instructions that a level exists for, no
calls, few stack references, nothing of a level above."""

import functools
import pathlib
import re
import unittest

import assembly
import engine
import hostile
import tiny_models

BESIDE_OTHERS = True  # run.py

# Level -> (product of 8-bit values, vector register, instructions that only higher levels have)
LEVELS = {
    "x86-64-v3": ("vpmaddubsw", "ymm", r"zmm|%k[0-7]|vpdpbusd|vdpbf16ps"),
    "x86-64-v3-avxvnni": ("{vex} vpdpbusd", "ymm", r"zmm|%k[0-7]|vdpbf16ps"),
    "x86-64-v4": ("vpmaddubsw", "zmm", r"vpdpbusd|vdpbf16ps"),
    "x86-64-v4-vnni": ("vpdpbusd", "zmm", r"\{vex\}|vdpbf16ps"),
    "x86-64-v4-vnni-bf16": ("vpdpbusd", "zmm", r"\{vex\}|vp2intersect"),
    "x86-64-v4-vnni-bf16-vp2intersect": ("vpdpbusd", "zmm", r"\{vex\}|vp2intersect"),
}
FUSED = "vfmadd"
# Level -> product of an int8 cache and factors of 16 bits
INTEGERS = {"x86-64-v3": "vpmaddwd", "x86-64-v3-avxvnni": "{vex} vpdpbusd", "x86-64-v4": "vpmaddwd"} | dict.fromkeys(list(LEVELS)[3:], "vpdpbusd")
# Vector stack references in one pass of a product loop: none with 32 registers; with 16, which do not hold the widest tiles, as measured.
BUDGET = {"zmm": {"linear": 0, "linear float": 0, "attend": 0, "attend int8": 0},
          "ymm": {"linear": 12, "linear float": 26, "attend": 34, "attend int8": 8}}


@functools.cache
def listings(kind: str, *flags) -> dict[str, dict[str, str]]:
    """{level: {kernel variant: assembly}} of one layer with the shapes of a 135M model; kind: of its weights. With BF16 the cache is int8, and activations stay f32."""
    folder = hostile.fresh_folder("assembly")
    spec = tiny_models.Spec(f"layer-{kind}", "llama", 9, 3, 64, 576, 1536, 517, kind, layers=1, tied=True, gguf=3 * kind.startswith("Q"))
    engine.call("llmc", "build", tiny_models.write(spec, folder), "-o", folder / "engine.bin", "--quiet", "--cpu-levels", "all", "--quality", "off",
                "--selftest-tokens", "0", "--dump-dir", folder / "d", "--print-ir-after", "plan-verify", *(("--kv-cache", "int8", "--activations", "f32") if kind == "BF16" else ("--kv-cache", "f16")), *flags)
    found = {}
    for level in LEVELS:
        files = sorted((folder / "d" / f"kernels-{level}").glob("*.s"))
        found[level] = {re.sub(r"^\d+-", "", path.stem): path.read_text() for path in files}
    return found


def hot_loops(text: str, product: str) -> list[list[assembly.Instruction]]:
    return [loop for loop in assembly.innermost_loops(text) if any(one.name.startswith(product) for one in loop)]


def stack_references(loop) -> int:
    return sum(one.is_vector_stack_reference() for one in loop)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Levels(unittest.TestCase):
    def check_products(self, variants: dict, kind: str, product: str, register: str):
        """Each variant of a family has a loop of such products on whole registers, within the budget. kind: family, and more."""
        chosen = {name: text for name, text in variants.items() if name.startswith(kind.split()[0])}
        self.assertTrue(chosen, f"no kernel {kind}*")
        for name, text in chosen.items():
            loops = hot_loops(text, product)
            whole = [loop for loop in loops if any(one.name.startswith(product) and one.width() == register for one in loop)]
            self.assertTrue(whole, f"{name}: no loop with {product} on {register} registers")
            # The merge of partial attention in front of a product keeps its row in an aligned place on the stack on purpose.
            if "float" in kind and assembly.has_frame_pointer(text):
                continue
            for loop in loops:
                self.assertLessEqual(stack_references(loop), BUDGET[register][kind], f"{name}: a loop of {len(loop)} instructions")

    def test_no_calls_and_nothing_of_a_higher_level(self):
        for kind in ("Q4_1", "BF16"):
            for level, variants in listings(kind).items():
                self.assertGreater(len(variants), 10)
                for name, text in variants.items():
                    with self.subTest(kind=kind, level=level, kernel=name):
                        self.assertEqual(assembly.calls(text), [])
                        # The code: symbols and sections may be called anything.
                        code = "\n".join(f"{one.name} {one.operands}" for one in assembly.parse(text)[0])
                        self.assertNotRegex(code, LEVELS[level][2])

    def test_integer_weights_multiply_bytes(self):
        for level, variants in listings("Q4_1").items():
            product, register, _ = LEVELS[level]
            # The head's 8 bits are 16-bit numbers for more than 4 rows at AVX2.
            words = {name for name in variants if level == "x86-64-v3" and re.match(r"linear_517x576_.*(m16|m64|any)$", name)}
            with self.subTest(level):
                self.check_products({name: text for name, text in variants.items() if name not in words}, "linear", product, register)
                if level == "x86-64-v3":
                    self.check_products({name: variants[name] for name in words}, "linear", "vpmaddwd", register)

    def test_float_weights_multiply_and_add_floats(self):
        for level, variants in listings("BF16").items():
            with self.subTest(level):
                self.check_products(variants, "linear float", FUSED, LEVELS[level][1])

    def test_integer_weights_with_float_activations(self):
        for level, variants in listings("Q4_1", "--activations", "f32").items():
            with self.subTest(level):
                self.check_products(variants, "linear float", FUSED, LEVELS[level][1])
                for name, text in variants.items():
                    self.assertNotIn("vpdpbusd", text, name)

    def test_sixteen_registers_suffice(self):
        """Loops of 256 bits that hold 8 or 12 sums keep them in registers: with one on the stack each turn waits for a store. Instructions as
        they are: a group's products of 5 to 16 rows, 12 of one key of three heads, four pairs of six rows of a prompt (with VNNI one)."""
        everything = listings("Q4_1")
        for level, kernel, product, products, most in (
                ("x86-64-v3", r"linear_\d+x\d+(_\d)?_m16", "vpmaddubsw", 64, 237),
                ("x86-64-v3", "attend_9504", FUSED, 12, 25), ("x86-64-v3-avxvnni", "attend_9504", FUSED, 12, 25),
                ("x86-64-v3", "attend_576_", "vpmaddwd", 48, 133), ("x86-64-v3-avxvnni", "attend_576_", "{vex} vpdpwssd", 12, 24)):
            found = 0
            for name, text in everything[level].items():
                if not re.match(kernel, name) or "_517x" in name:  # the head has 8 bits
                    continue
                for loop in hot_loops(text, product):
                    names = [one.name for one in loop]
                    turns = sum(one.startswith(product) for one in names) / products
                    # Half tiles, and the exponentials of the softmax, have products, too.
                    if turns not in (1, 2) or (product == FUSED and "vcvtph2ps" not in names):
                        continue
                    with self.subTest(level=level, kernel=name):
                        self.assertLessEqual(len(loop), most * turns)
                        self.assertEqual(stack_references(loop), 0)
                    found += 1
            self.assertGreaterEqual(found, 2, f"{level} {kernel}")

    def test_thirty_two_registers_suffice(self):
        """Loops of 512 bits keep all sums in registers and are as short as they were measured: products in a loop, and its vector instructions and
        fetches (LLVM may put what an outer loop does between two of its blocks, which no turn runs). One row and tiles of 2, 4 and 8 rows take
        a superblock (64 columns) or half of it; Zen 5's tiles of 8 and 16 rows x 2 panels half of one."""
        v4, vnni, zen5 = "x86-64-v4", ("x86-64-v4-vnni", "x86-64-v4-vnni-bf16"), "x86-64-v4-vnni-bf16-vp2intersect"
        levels = (v4, *vnni, zen5)
        for kind, names, variants, product, products, most in (
                ("Q4_1", (v4,), "linear.*_m1", "vpmaddubsw", 16, 96), ("Q4_1", vnni, "linear.*_m1", "vpdpbusd", 16, 68), ("Q4_1", (zen5,), "linear.*_m1", "vpdpbusd", 16, 80),
                ("Q4_1", (v4,), "linear.*_m4", "vpmaddubsw", 64, 276), ("Q4_1", vnni, "linear.*_m4", "vpdpbusd", 64, 164),
                ("Q4_1", (zen5,), "linear.*_m4", "vpdpbusd", 64, 176), ("Q4_1", (zen5,), "linear.*_m4", "vpdpbusd", 32, 112),
                ("Q4_1", (v4,), "linear.*_m16", "vpmaddubsw", 64, 272), ("Q4_1", (*vnni, zen5), "linear.*_m16", "vpdpbusd", 64, 160),
                ("Q4_1", (*vnni, zen5), "linear.*_m16", "vpdpbusd", 32, 92), ("Q4_1", vnni, "linear.*_(m64|any)", "vpdpbusd", 64, 143),
                ("Q4_1", (zen5,), "linear.*_(m64|any)", "vpdpbusd", 256, 687), ("Q4_1", (zen5,), "linear.*_(m64|any)", "vpdpbusd", 128, 358),
                ("BF16", levels, "linear.*_m1", "vfmadd231ps", 4, 32), ("BF16", levels[:-1], "linear.*_m4", "vfmadd231ps", 16, 22), ("BF16", (zen5,), "linear.*_m4", "vfmadd231ps", 16, 24),
                ("BF16", levels, "linear.*_m16", "vfmadd231ps", 32, 40), ("BF16", levels[:-1], "linear.*_(m64|any)", "vfmadd231ps", 32, 38), ("BF16", (zen5,), "linear.*_(m64|any)", "vfmadd231ps", 64, 112),
                ("Q4_1", levels, "attend_9504_any", "vfmadd231ps", 24, 42), ("Q4_1", levels, "attend_9504_any", "vfmadd231ps", 12, 21)):
            for level in names:
                found = 0
                for name, text in listings(kind)[level].items():
                    if not re.fullmatch(variants, name) or "_517x" in name:  # the head has 8 bits
                        continue
                    for loop in hot_loops(text, product):
                        if sum(one.name == product for one in loop) != products:
                            continue
                        found += 1
                        with self.subTest(kind=kind, level=level, kernel=name):
                            self.assertLessEqual(sum(one.name.startswith(("v", "prefetch")) for one in loop), most)
                            self.assertEqual(stack_references(loop), 0)
                self.assertGreaterEqual(found, 1, f"{kind} {level} {variants}: no loop with {products} {product}")

    def test_attention(self):
        """In bf16 pairs for prompts where the CPU has that and activations are rounded anyway, with 256 bits in pairs of integers; else in floats."""
        for flags in ((), ("--activations", "f32")):
            for level, variants in listings("Q4_1", *flags).items():
                with self.subTest(level=level, flags=flags):
                    self.check_products(variants, "attend", FUSED, LEVELS[level][1])
                    pairs = [one for name, text in variants.items() if name.startswith("attend")
                             for loop in hot_loops(text, "vdpbf16ps") for one in loop if one.name.startswith("vdpbf16ps")]
                    self.assertEqual(bool(pairs), "bf16" in level and not flags)
                    self.assertLessEqual({one.width() for one in pairs}, {"zmm"})
                    integers = {"x86-64-v3": "vpmaddwd", "x86-64-v3-avxvnni": "{vex} vpdpwssd"}.get(level, "vpmaddwd")
                    found = [loop for name, text in variants.items() if name.startswith("attend") for loop in hot_loops(text, integers)]
                    self.assertEqual(bool(found), LEVELS[level][1] == "ymm" and not flags)

    def test_attention_over_an_int8_cache(self):
        """Integer products of the cache's bytes as they lie (two shifts or a mask for 16-bit products), nothing made a float in their loops."""
        widening = re.compile(r"vpmov[sz]xb|vcvtdq2ps|vcvtph2ps|vfmadd")
        for level, variants in listings("BF16").items():
            product = INTEGERS[level]
            with self.subTest(level=level):
                self.check_products(variants, "attend int8", product, LEVELS[level][1])
                loops = [loop for name, text in variants.items() if name.startswith("attend") for loop in hot_loops(text, product)]
                self.assertGreaterEqual(len(loops), 4)  # scores and values, of one token and of blocks
                for loop in loops:
                    names = [one.name for one in loop]
                    self.assertFalse([name for name in names if widening.match(name)], f"a loop of {len(loop)} instructions")
                    self.assertGreaterEqual(names.count(product), len(names) * 0.25)


class Reader(unittest.TestCase):
    """What the tests above rest on."""

    TEXT = ("kernel:\n\tpushq\t%rbp\n.LBB0_1:  # loop\n\tmovl\t(%rax), %ecx\n.LBB0_2:\n\tvmovaps\t%ymm1, 32(%rsp)  # 32-byte Spill\n"
            "\t{vex}\tvpdpbusd\t%ymm1, %ymm2, %ymm3\n\tjne\t.LBB0_2\n\tjmp\t.LBB0_1\n.LBB0_3:\n\tje\t.LBB0_4\n.LBB0_4:\n\tretq\n")

    def test_loops_labels_and_spills(self):
        loops = assembly.innermost_loops(self.TEXT)
        self.assertEqual([[one.name for one in loop] for loop in loops], [["vmovaps", "{vex} vpdpbusd", "jne"]])
        self.assertEqual(stack_references(loops[0]), 1)
        self.assertEqual(loops[0][1].width(), "ymm")

    def test_calls(self):
        self.assertEqual(assembly.calls(self.TEXT), [])
        self.assertEqual(assembly.calls(self.TEXT + "\tcallq\tkernel\n"), [])
        self.assertEqual(len(assembly.calls(self.TEXT + "\tcallq\texpf@PLT\n\tcallq\t*%rax\n\tcallq\tkernel_other\n")), 3)


if __name__ == "__main__":
    unittest.main()
