"""Turns a llama-family GGUF into a Hugging Face folder with bf16 safetensors. Needs Python 3 and numpy.

Usage: export.py MODEL.gguf FOLDER [--dtype bf16|f32] [--shards N]
The 4-bit values are expanded and rounded to bf16; llmc builds the folder at --quant w16, w8 or w4.
"""

import argparse
import json
import pathlib
import struct

import numpy as np

from gguf_file import GgufFile

CONTROL = 3
NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TOP = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hf_name(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{NAMES[parts[2]]}.{parts[3]}"
    return f"{TOP[parts[0]]}.{parts[1]}"


def halves_from_pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """GGUF keeps the rotary pairs of a head side by side; Hugging Face keeps them half a head apart."""
    pairs = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def load_tensor(file: GgufFile, name: str) -> np.ndarray:
    array = file.tensor(name)
    if ".attn_q." in name:
        return halves_from_pairs(array, file.metadata["llama.attention.head_count"])
    if ".attn_k." in name:
        return halves_from_pairs(array, file.metadata["llama.attention.head_count_kv"])
    return array


def to_bytes(array: np.ndarray, dtype: str) -> bytes:
    array = np.ascontiguousarray(array, np.float32)
    if dtype == "f32":
        return array.tobytes()
    bits = array.view(np.uint32)  # bf16: the upper half, rounded to nearest even
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def write_weights(file: GgufFile, folder: pathlib.Path, dtype: str, shards: int):
    names = sorted(file.tensors, key=hf_name)
    size, weight_map, total = 4 if dtype == "f32" else 2, {}, 0
    for shard in range(shards):
        part = names[len(names) * shard // shards : len(names) * (shard + 1) // shards]
        title = "model.safetensors" if shards == 1 else f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        header, at = {"__metadata__": {"format": "pt"}}, 0
        for name in part:
            shape = file.tensors[name][1]
            end = at + int(np.prod(shape)) * size
            header[hf_name(name)] = {"dtype": dtype.upper(), "shape": list(shape), "data_offsets": [at, end]}
            weight_map[hf_name(name)], at = title, end
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / title, "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in part:
                out.write(to_bytes(load_tensor(file, name), dtype))
        total += at
    if shards > 1:
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def config(file: GgufFile, dtype: str) -> dict:
    meta = file.metadata
    heads = meta["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": meta["llama.embedding_length"],
        "intermediate_size": meta["llama.feed_forward_length"],
        "num_hidden_layers": meta["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": meta["llama.attention.head_count_kv"],
        "head_dim": meta.get("llama.rope.dimension_count", meta["llama.embedding_length"] // heads),
        "hidden_act": "silu",
        "rms_norm_eps": float(f"{meta['llama.attention.layer_norm_rms_epsilon']:.6g}"),
        "rope_theta": meta["llama.rope.freq_base"],
        "max_position_embeddings": meta["llama.context_length"],
        "vocab_size": len(meta["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "attention_bias": False,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
        "torch_dtype": {"bf16": "bfloat16", "f32": "float32"}[dtype],
    }


def tokenizer(meta: dict) -> dict:
    """The `tokenizers` file of a byte-level BPE that splits digits first (GGUF calls it smollm)."""
    if meta["tokenizer.ggml.model"] != "gpt2" or meta["tokenizer.ggml.pre"] != "smollm":
        raise SystemExit(f"tokenizer {meta['tokenizer.ggml.model']}/{meta['tokenizer.ggml.pre']} is not exported")
    tokens = meta["tokenizer.ggml.tokens"]
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [
        {"id": i, "content": tokens[i], **plain}
        for i, kind in enumerate(meta["tokenizer.ggml.token_type"])
        if kind == CONTROL
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [digits, byte_level]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": meta["tokenizer.ggml.merges"],
        },
    }


def tokenizer_config(meta: dict) -> dict:
    tokens = meta["tokenizer.ggml.tokens"]
    roles = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    named = {role: tokens[meta[f"tokenizer.ggml.{key}_token_id"]] for role, key in roles.items()}
    return {
        "tokenizer_class": "GPT2Tokenizer",
        **named,
        "add_bos_token": meta.get("tokenizer.ggml.add_bos_token", False),
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": meta["llama.context_length"],
        "chat_template": meta["tokenizer.chat_template"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--shards", type=int, default=1)
    args = parser.parse_args()
    file = GgufFile(args.gguf)
    meta = file.metadata
    if meta["general.architecture"] != "llama":
        raise SystemExit(f"{args.gguf}: architecture {meta['general.architecture']} is not exported, only llama")
    args.folder.mkdir(parents=True, exist_ok=True)
    generation = {role: meta[f"tokenizer.ggml.{key}_token_id"]
                  for role, key in (("bos_token_id", "bos"), ("eos_token_id", "eos"), ("pad_token_id", "padding"))}
    for name, content in (
        ("config.json", config(file, args.dtype)),
        ("tokenizer.json", tokenizer(meta)),
        ("tokenizer_config.json", tokenizer_config(meta)),
        ("generation_config.json", generation),
    ):
        (args.folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write_weights(file, args.folder, args.dtype, args.shards)


if __name__ == "__main__":
    main()
