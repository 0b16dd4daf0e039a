"""The facts that the forward pass needs, from config.json or from GGUF metadata, and the names of the tensors."""

import dataclasses
import math

import numpy as np

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


@dataclasses.dataclass
class Config:
    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    frequencies: np.ndarray  # radians a position, one for each rotated pair, scaling applied; [head_dim / 2]
    adjacent_pairs: bool  # rotary pairs are (0,1),(2,3).. (GGUF llama) instead of (0,D/2),(1,D/2+1)..
    windows: list  # one a layer: tokens a query sees, itself included; 0 = all
    names: dict  # role -> tensor name; layer roles contain {}


def _base_frequencies(theta: float, dim: int) -> np.ndarray:
    return 1.0 / theta ** (np.arange(0, dim, 2, dtype=np.float64) / dim)


def _llama3_frequencies(base: np.ndarray, rope: dict) -> np.ndarray:
    """Llama 3.1: long waves slowed by the factor, short ones kept, a linear blend between."""
    factor, low, high = float(rope["factor"]), float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    original = float(rope["original_max_position_embeddings"])
    scaled = []
    for frequency in base:
        turns = original * frequency / (2 * math.pi)  # full turns within the original context
        if turns < low:
            scaled.append(frequency / factor)
        elif turns > high:
            scaled.append(frequency)
        else:
            blend = (turns - low) / (high - low)
            scaled.append((1 - blend) * frequency / factor + blend * frequency)
    return np.array(scaled)


def scaled_frequencies(theta: float, dim: int, rope: dict) -> np.ndarray:
    base = _base_frequencies(theta, dim)
    kind = rope.get("rope_type", rope.get("type", "default")) if rope else "default"
    if kind == "default":
        return base
    if kind == "linear":
        return base / float(rope["factor"])
    if kind == "llama3":
        return _llama3_frequencies(base, rope)
    raise ValueError(f"rope scaling {kind}")


_HF_NAMES = {
    "embed": "model.embed_tokens.weight",
    "final_norm": "model.norm.weight",
    "head": "lm_head.weight",
    "attn_norm": "model.layers.{}.input_layernorm.weight",
    "ffn_norm": "model.layers.{}.post_attention_layernorm.weight",
    "q": "model.layers.{}.self_attn.q_proj",
    "k": "model.layers.{}.self_attn.k_proj",
    "v": "model.layers.{}.self_attn.v_proj",
    "o": "model.layers.{}.self_attn.o_proj",
    "q_norm": "model.layers.{}.self_attn.q_norm.weight",
    "k_norm": "model.layers.{}.self_attn.k_norm.weight",
    "gate": "model.layers.{}.mlp.gate_proj",
    "up": "model.layers.{}.mlp.up_proj",
    "down": "model.layers.{}.mlp.down_proj",
}
_GGUF_NAMES = {
    "embed": "token_embd.weight",
    "final_norm": "output_norm.weight",
    "head": "output.weight",
    "attn_norm": "blk.{}.attn_norm.weight",
    "ffn_norm": "blk.{}.ffn_norm.weight",
    "q": "blk.{}.attn_q",
    "k": "blk.{}.attn_k",
    "v": "blk.{}.attn_v",
    "o": "blk.{}.attn_output",
    "q_norm": "blk.{}.attn_q_norm.weight",
    "k_norm": "blk.{}.attn_k_norm.weight",
    "gate": "blk.{}.ffn_gate",
    "up": "blk.{}.ffn_up",
    "down": "blk.{}.ffn_down",
}


def _hf_windows(config: dict, layers: int) -> list:
    if config["model_type"] == "mistral":
        return [config.get("sliding_window") or 0] * layers
    if config.get("use_sliding_window"):
        first = config.get("max_window_layers", 0)
        return [config["sliding_window"] if i >= first else 0 for i in range(layers)]
    return [0] * layers


def from_hf(config: dict) -> Config:
    family = config["model_type"]
    if family not in FAMILIES:
        raise ValueError(f"model_type {family}")
    heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
    dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = config.get("rope_theta", rope.get("rope_theta", 10000.0))
    return Config(
        family=family,
        layers=layers,
        hidden=config["hidden_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads", heads),
        head_dim=dim,
        eps=config["rms_norm_eps"],
        frequencies=scaled_frequencies(theta, dim, rope),
        adjacent_pairs=False,
        windows=_hf_windows(config, layers),
        names=_HF_NAMES,
    )


def from_gguf(file) -> Config:
    meta = file.metadata
    family = meta["general.architecture"]
    if family not in FAMILIES:
        raise ValueError(f"general.architecture {family}")

    def get(key, default=None):
        return meta.get(f"{family}.{key}", default)

    heads, hidden, layers = get("attention.head_count"), get("embedding_length"), get("block_count")
    dim = get("attention.key_length") or hidden // heads
    rope = {}
    if get("rope.scaling.type") == "linear":
        rope = {"rope_type": "linear", "factor": get("rope.scaling.factor")}
    frequencies = scaled_frequencies(get("rope.freq_base", 10000.0), dim, rope)
    if "rope_freqs.weight" in file.table:  # how GGUF carries the llama3 scaling: a divisor for each pair
        frequencies = frequencies / file.tensor("rope_freqs.weight")
    return Config(
        family=family,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=get("attention.head_count_kv", heads),
        head_dim=dim,
        eps=get("attention.layer_norm_rms_epsilon"),
        frequencies=frequencies,
        adjacent_pairs=family == "llama",
        windows=[get("attention.sliding_window", 0) or 0] * layers,
        names=_GGUF_NAMES,
    )
