"""Safetensors folders that `llmc build` must refuse: weights, shards, and tensors that do not fit the config."""

import json
import os
import shutil
import struct
import unittest

import engine
import hostile
from hostile import each

WEIGHTS = "model.safetensors"
EMBED = "model.embed_tokens.weight"
GATE = "model.layers.1.mlp.gate_proj.weight"
NORM = "model.norm.weight"


def raw(content: bytes):
    return lambda path: path.write_bytes(content)


def cut(length: int):
    """Negative: from the end."""
    return lambda path: os.truncate(path, length if length >= 0 else path.stat().st_size + length)


def header(change):
    """change(dict) edits the header, or returns the bytes that take its place."""

    def apply(path):
        table, data = hostile.read_safetensors(path)
        hostile.write_safetensors(path, change(table) or table, data)

    return apply


def tensor(name: str, **fields):
    return header(lambda table: table[name].update(fields))


def text(change):
    """Edits the header as text."""
    return header(lambda table: change(json.dumps(table)).encode())


def same_range(table):
    """Gives a tensor the range of its neighbour, which leaves no hole in front of both."""
    table["model.layers.0.self_attn.v_proj.weight"]["data_offsets"] = table["model.layers.0.self_attn.k_proj.weight"]["data_offsets"]


def append(more: bytes):
    return lambda path: path.write_bytes(path.read_bytes() + more)


def put_float(name: str, index: int, value: float):
    def apply(path):
        table, data = hostile.read_safetensors(path)
        at, data = table[name]["data_offsets"][0] + 4 * index, bytearray(data)
        data[at : at + 4] = struct.pack("<f", value)
        hostile.write_safetensors(path, table, bytes(data))

    return apply


def rename(old: str, new: str):
    return header(lambda table: table.update({new: table.pop(old)}))


def drop_last(table):
    last = max((e for n, e in table.items() if n != "__metadata__"), key=lambda e: e["data_offsets"][1])
    name = next(n for n, e in table.items() if e is last)
    del table[name]


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    *((f"{n}_bytes", raw(b"\1" * n), "ST_SHORT", [WEIGHTS]) for n in (0, 1, 7)),
    ("header_length_0", raw(bytes(8) + b"{}"), "ST_HEADER_START", [WEIGHTS, "byte 8"]),
    ("wrong_magic", raw(struct.pack("<Q", 4) + b"ELF\x7f"), "ST_HEADER_START", [WEIGHTS, "byte 8"]),
    ("byte_order_mark", header(lambda t: b"\xef\xbb\xbf" + json.dumps(t).encode()), "ST_HEADER_START", [WEIGHTS, "byte 8"]),
    *((f"header_of_{n}", raw(struct.pack("<Q", n) + b"{}"), "ST_HEADER_TOO_LARGE", [WEIGHTS, str(n)])
      for n in (100_000_001, 1 << 63, (1 << 64) - 1)),
    ("header_larger_than_the_file", raw(struct.pack("<Q", 4000) + b"{}"), "ST_TRUNCATED", [WEIGHTS, "4000"]),
    *((f"cut_{n}".replace("-", "before_end_"), cut(n), "ST_TRUNCATED", [WEIGHTS]) for n in (8, 9, 100, 20000, -1, -4096)),
    ("header_no_utf_8", header(lambda t: json.dumps(t).encode().replace(b"norm", b"n\xffrm", 1)), "ST_UTF8", [WEIGHTS, "byte"]),
    ("header_with_nul", header(lambda t: b'{"a\0":{}}'), "ST_UTF8", [WEIGHTS, "byte 11"]),
    ("trailing_comma", text(lambda t: t[:-1] + ",}"), "ST_JSON", [WEIGHTS, "byte"]),
    ("nan_literal", header(lambda t: b'{"a": NaN}'), "ST_JSON", [WEIGHTS, "byte"]),
    ("comment", header(lambda t: b"{/* */}"), "ST_JSON", [WEIGHTS, "byte"]),
    ("text_after_the_object", text(lambda t: t + "{}"), "ST_JSON", [WEIGHTS, "byte"]),
    ("brackets_10k", header(lambda t: b'{"a":' + b"[" * 10_000), "ST_JSON", [WEIGHTS]),
    ("braces_10M", header(lambda t: b'{"a":{"shape":' + b'{"a":' * 2_000_000), "ST_DEPTH", [WEIGHTS]),
    ("tensor_twice", text(lambda t: t[:-1] + f', "{NORM}": ' + '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'), "ST_DUP", [NORM]),
    ("field_twice", text(lambda t: t.replace('"dtype"', '"dtype": "F32", "dtype"', 1)), "ST_DUP", ["field"]),
    ("begin_after_end", tensor(NORM, data_offsets=[400, 16]), "ST_OFFSET", [NORM]),
    ("offset_negative", tensor(NORM, data_offsets=[-4, 0]), "ST_OFFSET", [NORM]),
    ("offset_real", tensor(NORM, data_offsets=[0, 4.5]), "ST_OFFSET", [NORM]),
    ("offset_text", tensor(NORM, data_offsets=["0", 4]), "ST_OFFSET", [NORM]),
    ("offset_2_64", tensor(NORM, data_offsets=[0, 1 << 64]), "ST_OFFSET", [NORM]),
    ("overlap", header(same_range), "ST_OVERLAP", [WEIGHTS, "self_attn"]),
    ("out_of_range", header(lambda t: t.update(x={"dtype": "F32", "shape": [4], "data_offsets": [1 << 40, (1 << 40) + 16]})),
     "ST_TRUNCATED", [WEIGHTS, "'x'", str((1 << 40) + 16)]),
    ("hole_at_the_end", header(drop_last), "ST_HOLE", [WEIGHTS]),
    ("bytes_after_the_last_tensor", append(b"PK\3\4"), "ST_HOLE", [WEIGHTS, "4 bytes"]),
    ("shape_wraps_to_0", tensor(NORM, shape=[1 << 32, 1 << 32]), "ST_SHAPE_OVERFLOW", [NORM]),
    ("shape_of_2_63", tensor(NORM, shape=[1 << 63, 2]), "ST_SHAPE_OVERFLOW", [NORM]),
    ("shape_and_range_differ", tensor(NORM, shape=[97]), "ST_SIZE", [NORM, "388", "384"]),
    ("dtype_unknown", tensor(NORM, dtype="F12"), "ST_DTYPE", [NORM, "F12"]),
    ("dtype_lower_case", tensor(NORM, dtype="f32"), "ST_DTYPE", [NORM]),
    ("dtype_number", tensor(NORM, dtype=7), "ST_DTYPE", [NORM]),
    ("rank_1000", tensor(NORM, shape=[1] * 1000), "ST_RANK", [NORM]),
    ("name_of_1_mib", rename(NORM, "n" * (1 << 20)), "ST_NAME", [WEIGHTS]),
    ("name_with_newline", rename(NORM, "a\nerror[FAKE] b"), "ST_NAME", ["\\x0a"]),
    ("name_like_a_path", rename(NORM, "../../etc/passwd"), "ST_NAME", [WEIGHTS]),
    ("metadata_number", header(lambda t: t.update(__metadata__={"a": 1})), "ST_META", [WEIGHTS]),
    ("metadata_of_50_mb", header(lambda t: t.update(__metadata__={"a": "x" * 50_000_000})), "ST_META", [WEIGHTS]),
    ("nan", put_float(GATE, 1234, float("nan")), "W_NONFINITE", [WEIGHTS, "byte", GATE, "value [12, 82] is NaN"]),
    ("infinity", put_float(NORM, 5, float("-inf")), "W_NONFINITE", [WEIGHTS, "byte", NORM, "value [5] is"]),
    ("tensor_missing", rename(GATE, "model.layers.1.mlp.other.weight"), "MODEL_TENSOR", [GATE, "missing"]),
    ("tensor_too_many", rename("model.layers.2.mlp.up_proj.weight", "model.layers.3.mlp.up_proj.weight"), "MODEL_TENSOR", ["missing"]),
    ("tensor_of_integers", tensor(NORM, dtype="I32"), "MODEL_TENSOR", [NORM, "I32"]),
    ("tensor_turned", tensor(GATE, shape=[96, 192]), "MODEL_TENSOR", [WEIGHTS, GATE, "byte", "96", "192"]),
    ("tensor_flat", tensor(GATE, shape=[96 * 192]), "MODEL_TENSOR", [GATE]),
    ("embedding_with_fewer_rows", tensor(EMBED, shape=[520, 96], data_offsets=[0, 520 * 96 * 4]), "ST_HOLE", [WEIGHTS]),
)
class Weights(unittest.TestCase):
    def check(self, damage, code, names, cpu=3.0):
        folder = hostile.model_copy()
        damage(folder / WEIGHTS)
        hostile.refuse_build(self, folder, 65, code, names, cpu=cpu)


def index(change):
    return lambda folder: hostile.edit_json(folder / "model.safetensors.index.json", change)


def in_map(tensor_name: str, file):
    return index(lambda table: table["weight_map"].update({tensor_name: file}))


def replace_shard(make):
    def apply(folder):
        shard = folder / "model-00002-of-00003.safetensors"
        shard.unlink()
        make(shard)

    return apply


def copy_first(path):
    shutil.copy(path.with_name("model-00001-of-00003.safetensors"), path)


SHARD = "model-00002-of-00003.safetensors"


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
@each(
    *((f"path_{i}", in_map(NORM, name), 65, "IX_PATH", ["index.json"])
      for i, name in enumerate(("../model.safetensors", "/etc/passwd", "sub/model.safetensors", "", ".."))),
    ("path_with_nul", in_map(NORM, "a\0b"), 65, "IX_PATH", ["a\\x00b"]),
    ("shard_number", in_map(NORM, 3), 65, "IX_JSON", [NORM]),
    ("no_map", index({"weight_map": None}), 65, "IX_JSON", ["weight_map"]),
    ("index_cut", lambda f: cut(-5)(f / "model.safetensors.index.json"), 65, "IX_JSON", ["byte"]),
    ("shard_absent", replace_shard(lambda p: None), 66, "IX_MISSING", [SHARD]),
    ("shard_is_a_fifo", replace_shard(os.mkfifo), 65, "IX_NOT_REGULAR", [SHARD]),
    ("shard_is_a_folder", replace_shard(os.mkdir), 65, "IX_NOT_REGULAR", [SHARD]),
    ("shard_is_a_device", replace_shard(lambda p: p.symlink_to("/dev/zero")), 65, "IX_NOT_REGULAR", [SHARD]),
    ("tensor_in_two_shards", replace_shard(copy_first), 65, "IX_CONFLICT", [SHARD]),
    ("index_disagrees", in_map(NORM, "model-00001-of-00003.safetensors"), 65, "IX_CONFLICT", [NORM]),
    ("shard_cut", lambda f: cut(-2)(f / SHARD), 65, "ST_TRUNCATED", [SHARD]),
)
class Shards(unittest.TestCase):
    def check(self, damage, status, code, names):
        folder = hostile.model_copy("llama-9h3-d64-bf16")
        damage(folder)
        hostile.refuse_build(self, folder, status, code, names)


@unittest.skipUnless(engine.have_binaries(), f"no llmc and llmc-run in {engine.BIN}")
class Places(unittest.TestCase):
    def test_nothing_there(self):
        hostile.refuse_build(self, hostile.fresh_folder("none") / "model", 66, "IX_MISSING", ["model"])

    def test_empty_folder(self):
        hostile.refuse_build(self, hostile.fresh_folder("none"), 66, "IX_MISSING", ["config.json"])

    def test_each_file_of_the_folder_is_needed(self):
        for name in ("config.json", WEIGHTS, "tokenizer.json"):
            with self.subTest(name):
                folder = hostile.model_copy()
                (folder / name).unlink()
                hostile.refuse_build(self, folder, 66, "IX_MISSING", [name])

    def test_a_damaged_weight_is_found_before_code_is_made(self):
        folder, out = hostile.model_copy(), hostile.fresh_folder("out") / "engine.bin"
        put_float(GATE, 1234, float("nan"))(folder / WEIGHTS)
        ended = hostile.run("llmc", "build", folder, "-o", out)
        hostile.check_refusal(self, ended, 65, "W_NONFINITE", [GATE])
        self.assertIn("plan passes", ended.err)
        self.assertNotIn("code generation", ended.err)

    def test_a_text_as_model(self):
        path = hostile.fresh_folder("none") / "model.txt"
        path.write_text("hello")
        hostile.refuse_build(self, path, 65, "IX_FORMAT", ["model.txt"])

    def test_a_fifo_as_model(self):
        path = hostile.fresh_folder("none") / "model.safetensors"
        os.mkfifo(path)
        hostile.refuse_build(self, path, 65, "IX_NOT_REGULAR", ["model.safetensors"])

    def test_a_symbolic_link_to_itself(self):
        path = hostile.fresh_folder("none") / "model.gguf"
        path.symlink_to(path)
        hostile.refuse_build(self, path, 66, "IX_MISSING", ["model.gguf"])


if __name__ == "__main__":
    unittest.main()
