"""Stored blocks as numbers: the reference and the C++ test's expectations against llama.cpp's own functions, bit by bit."""

import ctypes
import pathlib
import re
import unittest

import engine
import k_quants as writer
import numpy as np
import peer_logits
from reference import k_quants

BESIDE_OTHERS = True  # run.py

UNIT_TEST = engine.ROOT / "tests/unit/compiler/import/quant_block_test.cc"


def llama_cpp_values(kind: str, raw: bytes) -> np.ndarray:
    library = ctypes.CDLL(str(pathlib.Path(peer_logits.llama_cpp.__file__).parent / "lib" / "libggml-base.so"))
    function = getattr(library, f"dequantize_row_{kind[0].lower()}{kind[1:]}")
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64], None
    _, count, size = k_quants.TYPES[kind]
    out = np.empty(len(raw) // size * count, np.float32)
    function(ctypes.c_char_p(raw), out.ctypes.data, len(out))
    return out


def generated_blocks(kind: str, blocks: int = 200) -> bytes:
    """The bytes that the C++ test makes: a linear congruence, with exponents that leave f16 numbers finite."""
    _, _, size = k_quants.TYPES[kind]
    state, out = 1, bytearray()
    for _ in range(blocks * size):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56)
    halves = {"Q6_K": [208], "Q5_0": [0]}.get(kind, [0, 2])
    for start in range(0, len(out), size):
        for at in halves:
            out[start + at + 1] &= 0xBB
    return bytes(out)


def fingerprint(values: np.ndarray) -> int:
    """FNV-1a over the bits of each float; -0 counts as 0."""
    digest = 0xCBF29CE484222325
    for bits in (values + np.float32(0)).view(np.uint32).tolist():
        digest = (digest ^ bits) * 0x100000001B3 % 2**64
    return digest


@unittest.skipIf(peer_logits.llama_cpp is None, "llama-cpp-python is not installed (tests/bench/install_peer.sh)")
class AgainstLlamaCpp(unittest.TestCase):
    def test_reference_is_equal(self):
        for kind in k_quants.TYPES:
            with self.subTest(kind):
                raw = generated_blocks(kind)
                ours = k_quants.dequantize(kind, np.frombuffer(raw, np.uint8)).astype(np.float32)
                self.assertTrue((ours == llama_cpp_values(kind, raw)).all())

    def test_fixtures_write_what_llama_cpp_reads(self):
        x = np.random.default_rng(3).standard_normal((4, 512)).astype(np.float32)
        # Half a step: a group of 32 (16) normal numbers spans about four deviations.
        for kind, error in {"Q5_0": 0.05, "Q5_1": 0.05, "Q4_K": 0.1, "Q5_K": 0.05, "Q6_K": 0.03}.items():
            with self.subTest(kind):
                values = llama_cpp_values(kind, writer.encode(x, kind))
                self.assertLess(np.abs(values - x.ravel()).mean(), error)

    def test_expectations_of_the_unit_test_are_llama_cpps(self):
        expected = dict(re.findall(r"StorageType::(Q\w+), (0x[0-9a-f]{16})", UNIT_TEST.read_text()))
        self.assertEqual(sorted(expected), sorted(k_quants.TYPES))
        for kind, digest in expected.items():
            with self.subTest(kind):
                self.assertEqual(int(digest, 16), fingerprint(llama_cpp_values(kind, generated_blocks(kind))))


if __name__ == "__main__":
    unittest.main()
