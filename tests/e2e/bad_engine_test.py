"""Engine files that llmc-run and `llmc inspect` must refuse before they run, and machines that an engine does not fit."""

import ctypes
import ctypes.util
import os
import random
import struct
import threading
import unittest

import engine
import hostile
from hostile import each

HEADER = 4096
ASK = ("--prompt-ids", "1,2,3", "--max-tokens", "2", "--temperature", "0", "--json")


def built():
    return engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3")


def built_bytes() -> bytes:
    return built().read_bytes()


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    ("empty", b"", "EN_MAGIC"),
    ("text", b"hello, this is no engine\n" * 400, "EN_MAGIC"),
    ("elf", b"\x7fELF\2\1\1" + bytes(9000), "EN_MAGIC"),
    ("gguf", b"GGUF\3\0\0\0" + bytes(9000), "EN_MAGIC"),
    ("safetensors", b"\x40\0\0\0\0\0\0\0{" + bytes(9000), "EN_MAGIC"),
    ("zeros", bytes(10_000), "EN_MAGIC"),
    ("control_bytes", b"\x1b[31m\n\r" + bytes(9000), "EN_MAGIC"),
)
class NoEngine(unittest.TestCase):
    def check(self, content, code):
        path = hostile.fresh_folder("broken") / "engine.bin"
        path.write_bytes(content)
        for flags in (ASK, ("--check",), ("--tokenize", "a"), ("--chat",), ("--bench",), ("--selftest",)):
            hostile.refuse_run(self, path, *flags, status=65, code=code)
        for command in ("inspect", "explain"):
            hostile.check_refusal(self, hostile.run("llmc", command, path), 65, code, [] if content else ["the file is empty"])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Damaged(unittest.TestCase):
    def refused(self, path, pattern, flags=ASK):
        ended = hostile.run("llmc-run", path, *flags)
        self.assertEqual(ended.status, 65, ended.err)
        self.assertRegex(ended.err, rf"^error\[{pattern}")
        self.assertEqual(ended.out, b"")
        self.assertLess(ended.cpu, 2)

    def test_cut_at_many_lengths(self):
        """All lengths of a small engine: tests/unit/runtime/format. Here: a few in each section of a real one."""
        content, path = built_bytes(), hostile.fresh_folder("broken") / "engine.bin"
        size = len(content)
        lengths = [1, 7, 8, 9, 100, 4095, 4096, 4097, 8191, 8192, 65536, size // 3, size // 2, size - 4096, size - 65, size - 1]
        lengths += random.Random(1).sample(range(size), 24)
        path.write_bytes(content)
        for length in sorted(lengths, reverse=True):
            with self.subTest(length=length):
                os.truncate(path, length)
                self.refused(path, r"EN_TRUNCATED\] .*\d")

    def test_one_byte_more(self):
        path = hostile.fresh_folder("broken") / "engine.bin"
        path.write_bytes(built_bytes() + b"\0")
        hostile.refuse_run(self, path, *ASK, status=65, code="EN_TRAILING", names=["1 bytes"])

    def test_bits_flipped(self):
        """All bits of a small engine: tests/unit/runtime/format. Here: samples over a real one, padding included."""
        content, path = bytearray(built_bytes()), hostile.fresh_folder("broken") / "engine.bin"
        choice = random.Random(2)
        places = [8 * choice.randrange(len(content)) + choice.randrange(8) for _ in range(60)]
        places += [8 * at + choice.randrange(8) for at in choice.sample(range(HEADER + 4096), 20)]
        for bit in places:
            with self.subTest(byte=bit // 8, bit=bit % 8):
                content[bit // 8] ^= 1 << bit % 8
                path.write_bytes(content)
                content[bit // 8] ^= 1 << bit % 8
                self.refused(path, r"EN_MAGIC\]" if bit < 64 else r"EN_DIGEST\] .*(byte|chunk|section)")

    def test_unchecked_weights_are_the_only_thing_that_no_verify_lets_through(self):
        content, path = bytearray(built_bytes()), hostile.fresh_folder("broken") / "engine.bin"
        choice = random.Random(3)
        for at in choice.sample(range(HEADER + 4096), 10):
            content[at] ^= 64
            path.write_bytes(content)
            content[at] ^= 64
            with self.subTest(byte=at):
                self.refused(path, "EN_(MAGIC|DIGEST)", (*ASK, "--no-verify-weights"))

    def test_missing_folder_device_and_fifo(self):
        folder = hostile.fresh_folder("broken")
        os.mkfifo(folder / "fifo")
        hostile.refuse_run(self, folder / "none.bin", *ASK, status=66, code="EN_MISSING", names=["none.bin"])
        hostile.refuse_run(self, folder, *ASK, status=65, code="EN_MAGIC", names=["not a regular file"])
        hostile.refuse_run(self, folder / "fifo", *ASK, status=65, code="EN_MAGIC", names=["not a regular file"])
        hostile.refuse_run(self, "/dev/zero", *ASK, status=65, code="EN_MAGIC", names=["not a regular file"])

    def test_a_sparse_terabyte(self):
        path = hostile.fresh_folder("broken") / "engine.bin"
        path.write_bytes(built_bytes())
        os.truncate(path, 1 << 40)
        hostile.refuse_run(self, path, *ASK, status=65, code="EN_TRAILING")


class Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def digest(content: bytes) -> bytes:
    """XXH3-128 by the system's library, as the format has it."""
    function = ctypes.CDLL(ctypes.util.find_library("xxhash")).XXH3_128bits
    function.restype, function.argtypes = Hash, [ctypes.c_char_p, ctypes.c_size_t]
    found = function(content, len(content))
    return struct.pack("<QQ", found.low, found.high)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@unittest.skipUnless(ctypes.util.find_library("xxhash"), "no libxxhash to sign changed headers with")
@each(
    # (name, offset in the header, struct format, value): the header's own digest is made anew, so only the field is wrong
    ("major_2", 8, "<H", 2, 78, "EN_VERSION", "2.0"),
    ("major_0", 8, "<H", 0, 78, "EN_VERSION", "0.0"),
    ("minor_1", 10, "<H", 1, 78, "EN_VERSION", "1.1"),
    ("feature", 24, "<Q", 1 << 63, 78, "EN_VERSION", str(1 << 63)),
    ("header_bytes", 12, "<I", 8192, 65, "EN_SEMANTIC", "headerBytes"),
    ("file_bytes_more", 16, "<Q", (1 << 44) - 1, 65, "EN_TRUNCATED", str((1 << 44) - 1)),
    ("file_bytes_2_64", 16, "<Q", (1 << 64) - 1, 65, "EN_TOO_LARGE", "fileBytes"),
    ("file_bytes_less", 16, "<Q", 8192, 65, "EN_TRAILING", "8192"),
    ("sections_0", 40, "<I", 0, 65, "EN_SEMANTIC", "sectionCount"),
    ("sections_2_32", 40, "<I", (1 << 32) - 1, 65, "EN_SEMANTIC", "sectionCount"),
    ("first_section_wraps", 48, "<Q", (1 << 64) - 4096, 65, "EN_SEMANTIC", "firstSection"),
)
class Versions(unittest.TestCase):
    def check(self, offset, form, value, status, code, name):
        content = bytearray(built_bytes())
        self.assertEqual(digest(bytes(content[:72]) + bytes(HEADER - 72)), content[72:88], "the digest as the format has it")
        struct.pack_into(form, content, offset, value)
        content[72:88] = digest(bytes(content[:72]) + bytes(HEADER - 72))
        path = hostile.fresh_folder("broken") / "engine.bin"
        path.write_bytes(content)
        for flags in (ASK, ("--check",)):
            hostile.refuse_run(self, path, *flags, status=status, code=code, names=[name], cpu=0.5)
        hostile.check_refusal(self, hostile.run("llmc", "inspect", path), status, code, [name])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class OtherMachines(unittest.TestCase):
    def test_no_level_for_this_cpu(self):
        for features in ("none", "v4", "avxvnni,avx512bf16"):
            with self.subTest(features):
                hostile.refuse_run(self, built(), *ASK, status=78, code="EN_CPU_ARCH", cpu=0.5,
                                   names=["engine has x86-64-v3", "this CPU has", "--cpu-levels"],
                                   env={"LLMC_CPU_FEATURES": features})

    def test_a_level_that_the_engine_or_the_cpu_lacks(self):
        ended = hostile.run("llmc-run", built(), *ASK, env={"LLMC_CPU_LEVEL": "x86-64-v4-vnni"})
        hostile.check_refusal(self, ended, 78, "EN_CPU_ARCH", ["LLMC_CPU_LEVEL"])
        self.assertEqual(hostile.run("llmc-run", built(), *ASK, env={"LLMC_CPU_LEVEL": ""}).status, 0)

    def test_names_in_the_environment_that_mean_nothing(self):
        build = ("llmc", "build", hostile.model_path(), "-o", hostile.fresh_folder("out") / "engine.bin")
        for variable, known in (("LLMC_CPU_LEVEL", "x86-64-v3-avxvnni"), ("LLMC_CPU_FEATURES", "avx512bf16")):
            for value in ("x86-64-v9", "v3,avx2", "\x1b[31m"):
                for command in (("llmc-run", built(), *ASK), ("llmc-run", built(), "--check"), build):
                    ended = hostile.run(*command, env={variable: value})
                    hostile.check_refusal(self, ended, 64, "CPU_ENVIRONMENT", [variable, known], cpu=0.5)
        for flags in (("--help",), ("--version",)):
            self.assertEqual(hostile.run("llmc-run", *flags, env={"LLMC_CPU_LEVEL": "x86-64-v9"}).status, 0)

    def test_check_and_tokenize_need_no_level(self):
        for flags in (("--check",), ("--tokenize", "In")):
            ended = hostile.run("llmc-run", built(), *flags, env={"LLMC_CPU_FEATURES": "none"})
            self.assertEqual(ended.status, 0, ended.err)

    def test_a_build_for_a_host_without_levels(self):
        out = hostile.fresh_folder("out") / "engine.bin"
        ended = hostile.run("llmc", "build", hostile.model_path(), "-o", out, "--cpu-levels", "host", env={"LLMC_CPU_FEATURES": "none"})
        hostile.check_refusal(self, ended, 64, "USAGE", ["AVX2"])
        self.assertEqual(os.listdir(out.parent), [])


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class FileInUse(unittest.TestCase):
    def test_unlinked_or_replaced_while_it_runs(self):
        expected = engine.run_json(built(), "--prompt-ids", "1,2,3", "--max-tokens", 1500, "--temperature", 0, "--ignore-eos")
        for change in (os.unlink, lambda path: os.replace(other, path)):
            path = hostile.fresh_folder("used") / "engine.bin"
            path.write_bytes(built_bytes())
            other = path.with_name("other.bin")
            other.write_bytes(b"no engine")
            ended = self.run_and(path, lambda: change(path))
            self.assertEqual(ended.status, 0, ended.err)
            self.assertIn(",".join(map(str, expected["token_ids"])).encode(), ended.out)

    def test_cut_short_while_it_runs(self):
        """Weights are mapped: the kernel answers the next read with a signal, which must not be the end of the story."""
        path = hostile.fresh_folder("used") / "engine.bin"
        path.write_bytes(built_bytes())
        ended = self.run_and(path, lambda: os.truncate(path, HEADER), "--bench", "--repeat", "10000")
        hostile.check_refusal(self, ended, 74, "EN_IO", ["cut short"])

    def run_and(self, path, change, *flags):
        """Runs the engine and makes the change as soon as the file is mapped."""
        ended = []
        flags = flags or ("--prompt-ids", "1,2,3", "--max-tokens", "1500", "--temperature", "0", "--ignore-eos", "--json")
        thread = threading.Thread(target=lambda: ended.append(hostile.run("llmc-run", path, *flags)))
        thread.start()
        threading.Event().wait(0.25)
        change()
        thread.join()
        return ended[0]

    def test_swapped_again_and_again_between_two_engines(self):
        """Whole old or whole new: nothing in between may run."""
        folder = hostile.fresh_folder("used")
        path, parts = folder / "engine.bin", [built_bytes(), engine.build(hostile.model_path(), "--cpu-levels", "x86-64-v3", "--quant", "w8").read_bytes()]
        path.write_bytes(parts[0])
        stop = threading.Event()

        def swap():
            turn = 0
            while not stop.is_set():
                turn += 1
                (folder / "next").write_bytes(parts[turn % 2])
                os.replace(folder / "next", path)

        thread = threading.Thread(target=swap)
        thread.start()
        try:
            outs = set()
            for _ in range(25):
                ended = hostile.run("llmc-run", path, *ASK)
                self.assertEqual(ended.status, 0, ended.err)
                outs.add(ended.out.split(b'"token_ids":')[1].split(b"]")[0])
            self.assertLessEqual(len(outs), 2)
        finally:
            stop.set()
            thread.join()


if __name__ == "__main__":
    unittest.main()
