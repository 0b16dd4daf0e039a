"""GGUF files that `llmc build` must refuse: header, metadata, tensor table, data."""

import os
import struct
import unittest

import engine
import hostile
import model_writers
import tiny_models
from hostile import each

SPEC = hostile.spec(hostile.GGUF)
U8, U32, I32, F32, STRING, ARRAY = 0, 4, 5, 6, 8, 9
FIRST = "blk.0.attn_q.weight"


class Raw:
    """A metadata value written as it is: type number and bytes."""

    def __init__(self, kind: int, content: bytes):
        self.kind, self.content = kind, content


def string(text) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(raw)) + raw


def value_bytes(value) -> bytes:
    kind, raw = (value.kind, value.content) if isinstance(value, Raw) else model_writers._value(value)
    return struct.pack("<I", kind) + raw


class Parts:
    """A GGUF in pieces that a test may change before it is written."""

    def __init__(self):
        self.magic, self.version = b"GGUF", SPEC.gguf
        self.meta = list(tiny_models.gguf_metadata(SPEC).items())
        self.tensors, offset = [], 0  # [name, dimensions, type, offset]
        data = []
        for name, (array, kind) in tiny_models.gguf_tensors(SPEC, tiny_models.hf_weights(SPEC)).items():
            raw = model_writers.encode(array, kind)
            raw += bytes(-len(raw) % 32)
            self.tensors.append([name, list(reversed(array.shape)), model_writers.GGUF_TYPES[kind], offset])
            offset += len(raw)
            data.append(raw)
        self.data, self.alignment = bytearray(b"".join(data)), 32
        self.tensor_count = self.meta_count = None

    def set(self, key, value):
        self.meta = [(k, v) for k, v in self.meta if k != key] + ([] if value is None else [(key, value)])

    def tensor(self, name=FIRST):
        return next(t for t in self.tensors if t[0] == name)

    def head(self) -> bytes:
        counts = (len(self.tensors) if self.tensor_count is None else self.tensor_count,
                  len(self.meta) if self.meta_count is None else self.meta_count)
        out = self.magic + struct.pack("<IQQ", self.version, *counts)
        out += b"".join(string(k) + value_bytes(v) for k, v in self.meta)
        for name, sizes, kind, offset in self.tensors:
            out += string(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
        return out

    def write(self, path):
        head = self.head()
        path.write_bytes(head + bytes(-len(head) % self.alignment) + self.data)


def change(**fields):
    return lambda parts: parts.__dict__.update(fields)


def meta(key, value):
    return lambda parts: parts.set(key.replace("llama_", "llama."), value)


def again(key, value):
    return lambda parts: parts.meta.append((key, value))


def tensor(index: int, value, name=FIRST):
    def apply(parts):
        parts.tensor(name)[index] = value

    return apply


def array(kind: int, count: int, content: bytes = b"") -> Raw:
    return Raw(ARRAY, struct.pack("<IQ", kind, count) + content)


def nested(depth: int) -> Raw:
    return Raw(ARRAY, struct.pack("<IQ", ARRAY, 1) * depth + struct.pack("<IQ", U8, 0))


def swap_first(parts):
    a, b = parts.tensors[1], parts.tensors[2]
    a[3], b[3] = b[3], a[3]


def put_scale(bits: int):
    def apply(parts):
        at = parts.tensor()[3]
        parts.data[at + 18 * 5 : at + 18 * 5 + 2] = struct.pack("<H", bits)  # block 5 of Q4_0

    return apply


def rope_table(value: float):
    """A table of factors for the rotary frequencies, all equal: llama3's scaling gives no such table."""

    def apply(parts):
        half = SPEC.head_dim // 2
        parts.tensors.append(["rope_freqs.weight", [half], 0, len(parts.data)])
        parts.data += struct.pack(f"<{half}f", *([value] * half))

    return apply


def tokens_of(change_list):
    def apply(parts):
        names = list(dict(parts.meta)["tokenizer.ggml.tokens"])
        change_list(names)
        parts.set("tokenizer.ggml.tokens", names)

    return apply


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    ("magic_wrong", change(magic=b"GGML"), "GG_MAGIC", []),
    ("big_endian_magic", change(magic=b"FUGG"), "GG_ENDIAN", []),
    *((f"version_{n}", change(version=n), "GG_VERSION", ["byte 4"]) for n in (0, 1, 4)),
    ("version_swapped", change(version=3 << 24), "GG_ENDIAN", ["byte 4"]),
    *((f"tensor_count_{i}", change(tensor_count=n), "GG_COUNT", ["byte 8"]) for i, n in enumerate((1 << 64, 1 << 40)) for n in [n - 1]),
    ("tensor_count_of_a_longer_file", change(tensor_count=60_000), "GG_TRUNCATED", ["byte 8", "60000 tensors", "download"]),
    ("meta_count_of_a_longer_file", change(meta_count=60_000, data=bytearray(100)), "GG_TRUNCATED", ["byte 16", "60000 metadata keys", "download"]),
    ("meta_count_2_64", change(meta_count=(1 << 64) - 1), "GG_COUNT", ["byte 16"]),
    ("key_empty", again("", 1), "GG_KEY", ["byte"]),
    ("key_of_65536", again("k" * 65_536, 1), "GG_KEY", ["byte"]),
    ("key_not_ascii", again("schl\u00fcssel", 1), "GG_KEY", ["byte"]),
    ("type_13", meta("x", Raw(13, b"\0" * 8)), "GG_TYPE", ["13"]),
    ("bool_7", meta("x", Raw(7, b"\7")), "GG_TYPE", ["bool"]),
    ("arrays_5_deep", meta("x", nested(5)), "GG_TYPE", ["nested"]),
    ("array_wraps", meta("x", array(U32, 1 << 62)), "GG_ARRAY", [str(1 << 62)]),
    ("array_past_the_end", meta("x", array(U32, 15_000_000)), "GG_TRUNCATED", ["15000000"]),
    ("string_past_the_end", meta("x", Raw(STRING, struct.pack("<Q", 10_000_000))), "GG_TRUNCATED", []),
    ("string_2_64", meta("x", Raw(STRING, struct.pack("<Q", (1 << 64) - 1))), "GG_TRUNCATED", []),
    ("tokens_as_numbers", meta("tokenizer.ggml.tokens", [1, 2, 3]), "GG_ARRAY_TYPE", ["tokenizer.ggml.tokens"]),
    ("types_as_u8", meta("tokenizer.ggml.token_type", array(U8, 4, b"\1" * 4)), "GG_ARRAY_TYPE", ["tokenizer.ggml.token_type"]),
    ("key_twice", again("general.name", "again"), "GG_DUP", ["general.name"]),
    *((f"alignment_{i}", meta("general.alignment", n), "GG_ALIGN", ["general.alignment"]) for i, n in enumerate((0, 13, 1 << 31, "32"))),
    ("dimensions_0", tensor(1, []), "GG_SHAPE", [FIRST]),
    ("dimensions_5", tensor(1, [1, 1, 1, 1, 1]), "GG_SHAPE", [FIRST]),
    ("dimension_is_0", tensor(1, [192, 0]), "GG_SHAPE", [FIRST]),
    ("dimension_2_42", tensor(1, [192, (1 << 42) + 1]), "GG_SHAPE", [FIRST]),
    ("size_wraps", tensor(1, [1 << 40, 1 << 40]), "GG_SHAPE", [FIRST]),
    ("row_no_whole_block", tensor(1, [191, 576]), "GG_BLOCK", [FIRST, "191"]),
    *((f"type_{n}", tensor(2, n), "GG_DTYPE", [FIRST, name]) for n, name in ((4, "4"), (31, "31"), (9999, "9999"), (11, "Q3_K"))),
    *((f"row_no_256_{name}", tensor(2, n), "GG_BLOCK", [FIRST, name, "192", "byte"]) for n, name in ((12, "Q4_K"), (13, "Q5_K"), (14, "Q6_K"))),
    ("offset_unaligned", tensor(3, 33), "GG_OFFSET", [FIRST, "33"]),
    ("offset_overlaps", tensor(3, 0), "GG_OFFSET", ["data offset"]),
    ("offset_past_the_end", tensor(3, 1 << 40), "GG_OFFSET", []),
    ("offsets_swapped", swap_first, "GG_OFFSET", []),
    ("name_of_64", tensor(0, "n" * 64), "GG_NAME", []),
    ("name_empty", tensor(0, ""), "GG_NAME", []),
    ("name_twice", tensor(0, "blk.0.attn_k.weight"), "GG_DUP", ["blk.0.attn_k.weight"]),
    ("layer_2_30", tensor(0, f"blk.{1 << 30}.attn_q.weight"), "GG_NAME", [str(1 << 30)]),
    ("tensor_unknown", tensor(0, "blk.0.surprise.weight"), "MODEL_TENSOR", []),
    ("tensor_missing", lambda p: p.tensors.remove(p.tensors[-1]), "GG_TRAILING", []),
    ("split", meta("split.count", 3), "GG_SPLIT", ["split.count"]),
    ("bytes_after_the_end", lambda p: p.data.extend(b"PK\3\4" * 100), "GG_TRAILING", ["byte"]),
    ("scale_nan", put_scale(0x7E00), "W_NONFINITE", ["byte", "attn_q", "scale of values [0, 160] to [0, 191]"]),
    ("scale_infinite", put_scale(0xFC00), "W_NONFINITE", ["byte", "attn_q"]),
    ("rope_factors_of_no_scaling", rope_table(7.0), "CF_ROPE", ["rope_freqs.weight", "byte", "llama3"]),
    ("rope_factor_0", rope_table(0.0), "CF_RANGE", ["rope_freqs.weight", "byte"]),
    ("architecture_unknown", meta("general.architecture", "gptneox"), "CF_ARCH", ["gptneox", "llama", "qwen3"]),
    ("architecture_missing", meta("general.architecture", None), "CF_ARCH", ["llama"]),
    *((f"{key}_{i}", meta(f"llama.{key}", n), "CF_RANGE", []) for key in ("block_count", "embedding_length", "attention.head_count", "context_length")
      for i, n in enumerate((0, (1 << 32) - 1))),
    ("block_count_missing", meta("llama.block_count", None), "CF_MISSING", ["llama.block_count"]),
    ("hidden_text", meta("llama.embedding_length", "192"), "CF_TYPE", ["llama.embedding_length"]),
    ("tokenizer_missing", meta("tokenizer.ggml.tokens", None), "TK_ID", ["tokenizer.ggml.tokens"]),
    ("tokenizer_model_unknown", meta("tokenizer.ggml.model", "rwkv"), "TK_UNSUPPORTED", ["rwkv"]),
    ("token_twice", tokens_of(lambda names: names.__setitem__(5, names[6])), "TK_ID", []),
    ("template_broken", meta("tokenizer.chat_template", "{% if %}"), "TM_SYNTAX", []),
    ("template_of_10_mb", meta("tokenizer.chat_template", "x" * 10_000_000), "TM_TOO_LARGE", ["10000000", "1 MiB"]),
)
class Gguf(unittest.TestCase):
    def check(self, damage, code, names):
        parts = Parts()
        damage(parts)
        path = hostile.fresh_folder("broken") / "model.gguf"
        parts.write(path)
        hostile.refuse_build(self, path, 65, code, ["model.gguf", *names], cpu=3)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Cut(unittest.TestCase):
    def test_the_parts_make_a_model(self):
        """Otherwise every case above would be refused for a reason of its own."""
        folder = hostile.fresh_folder("whole")
        Parts().write(folder / "model.gguf")
        self.assertEqual((folder / "model.gguf").read_bytes(), hostile.model_path(hostile.GGUF).read_bytes())

    def test_cut_at_many_lengths(self):
        parts, path = Parts(), hostile.fresh_folder("broken") / "model.gguf"
        parts.write(path)
        size, head = path.stat().st_size, len(parts.head())
        lengths = {4, 5, 8, 16, 23, 24, 25, 32, head - 1, head, head + 1, size - 33, *range(100, head, head // 25), *range(head, size - 64, size // 8)}
        for length in sorted(lengths, reverse=True):
            with self.subTest(length=length):
                os.truncate(path, length)
                ended = hostile.run("llmc", "build", path, "-o", path.with_name("out.bin"), "--quiet")
                self.assertEqual(ended.status, 65, ended.err)
                self.assertRegex(ended.err, r"^error\[GG_(TRUNCATED|OFFSET)\] \S+/model.gguf: .*incomplete")
                self.assertEqual(os.listdir(path.parent), ["model.gguf"])

    def test_less_than_a_magic(self):
        path = hostile.fresh_folder("broken") / "model.gguf"
        for content in (b"", b"GG"):
            path.write_bytes(content)
            hostile.refuse_build(self, path, 65, "GG_MAGIC", ["model.gguf"])


if __name__ == "__main__":
    unittest.main()
