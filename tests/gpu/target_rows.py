"""What a result of run.py comes to beside what the project wants: a row a target, measured in the same run or not at all. Pure."""

from typing import NamedTuple

FIRST, FP8, W4, SMALL, FP8KV = "8b-native", "8b-fp8", "8b-w4", "1b-native", "8b-fp8kv"
DECODE, PREFILL, PREFILL_8K = "decode, 1 stream, 1K", "prefill, 2K", "prefill, 8K"
HOST_STREAMS = 0.9 * 256  # nearly all of those that are sent at once
COMPILED = "decode, static cache and torch.compile"


class Target(NamedTuple):
    """`must`: of the first landing; `aim`: after it. None: there is none."""

    what: str
    unit: str  # "%" of 1, "x", or what a number is followed by
    must: float | None
    aim: float | None
    less: bool = False  # is better


class Row(NamedTuple):
    target: Target
    measured: float | None
    reason: str = ""  # where nothing was measured, or what to know of the number

    def verdict(self) -> str:
        if self.measured is None:
            return f"not measured: {self.reason}"
        goals = [(goal, word) for goal, word in ((self.target.aim, "aim met"), (self.target.must, "met")) if goal is not None]
        for goal, word in goals:
            if self.measured <= goal if self.target.less else self.measured >= goal:
                return word
        return "missed" if self.target.must is not None else "aim missed" if goals else ""


class Missing(Exception):
    """Why a number is not there."""


def at(result: dict, *keys):
    """What stands there. Raises Missing with the reason that stands there instead."""
    for key in keys:
        if key not in result:
            raise Missing(result.get("skipped") or result.get("cut") or f"no {key}")
        result = result[key]
    if isinstance(result, dict) and "skipped" in result:
        raise Missing(result["skipped"])
    return result


def copy_bandwidth(result: dict) -> float:
    """GB/s, read and written: the best copy that anything measured in this run, as another process may find the memory slower."""
    found = [made["copy_bandwidth_gb_per_s"] for part in ("speed", "long") for shape in result.get(part, {}).values() if isinstance(shape, dict)
             for made in shape.values() if isinstance(made, dict) and "copy_bandwidth_gb_per_s" in made]  # fmt: skip
    found += [one["copy_gb_per_s"] for one in (result.get("torch", {}), *result.get("attention", {}).values()) if isinstance(one, dict) and "copy_gb_per_s" in one]
    if not found:
        raise Missing("no copy was measured")
    return max(found)


def gemm_tflops(result: dict) -> float:
    """The best product of torch with the most tokens."""
    products = at(result, "torch", "products")
    longest = max(int(name.rsplit(" ", 1)[1]) for name in products)
    return max(one["tflops"] for name, one in products.items() if name.endswith(f" x {longest}"))


def prefill_flops(config: dict, tokens: int) -> float:
    """Multiplications and additions of a prompt: products of each token, causal attention, the head of the last one."""
    hidden, layers, dim = config["hidden_size"], config["num_hidden_layers"], config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    a_layer = hidden * dim * (2 * heads + 2 * kv_heads) + 3 * hidden * config["intermediate_size"]
    return 2 * tokens * layers * a_layer + 2 * layers * heads * dim * tokens**2 + 2 * config["vocab_size"] * hidden


def decode_share(result: dict, shape: str) -> float:
    """Bytes that a step must move, over what a copy moves meanwhile."""
    made = at(result, "speed", shape, DECODE)
    return made["best"]["bandwidth_share"] * made["copy_bandwidth_gb_per_s"] / copy_bandwidth(result)


def prefill_share(result: dict, shape: str, part: str, workload: str, tokens: int) -> float:
    """Flops a second over those of torch's product."""
    seconds = at(result, part, shape, workload)["best"]["ttft_ms"] / 1e3
    return prefill_flops(at(result, "shapes", shape), tokens) / seconds / 1e12 / gemm_tflops(result)


def attention_share(result: dict, load: str) -> float:
    """Bytes of K and V a second, over the copy's."""
    return at(result, "attention", FIRST, load, "gb_per_s") / copy_bandwidth(result)


def served(result: dict, load: str) -> float:
    return at(result, "serving", load, "output_throughput")


def host_us(result: dict) -> float:
    """Of the bf16 shape, or of another 8B one where that has no room for so many sequences at once."""
    made = [load["host"] for name, load in at(result, "serving").items() if name.startswith("8b-") and "host_us" in load.get("host", {})]
    enough = [host for host in made if host["sequences"] >= HOST_STREAMS]
    if not enough:
        at(result, "serving", f"{FIRST}, 1000 + 1000", "host", "host_us")
        raise Missing(f"at most {max(host['sequences'] for host in made)} sequences in a step")
    return enough[0]["host_us"]


def over_transformers(result: dict, shape: str, other: str) -> float:
    """Decode over that of the bf16 shape `other` by transformers, the faster of its two ways."""
    made = at(result, "speed", shape, DECODE)["best"]["decode_tokens_per_s"]
    beside = at(result, "transformers", other)
    ways = [beside[way]["tokens_per_s"] for way in ("decode", COMPILED) if way in beside]
    if COMPILED not in beside:
        raise Missing(f"torch.compile: {beside.get('cut', 'it did not run')}")
    return made / max(ways)


def prefill_over_transformers(result: dict, part: str, workload: str, tokens: int) -> float:
    return at(result, part, FIRST, workload)["best"]["prefill_tokens_per_s"] / at(result, "transformers", FIRST, f"prefill {tokens}", "tokens_per_s")


def over_flash(result: dict, load: str) -> float:
    """torch's FlashAttention over a cache without pages, over ours with them."""
    return at(result, "torch", "attention", load, "flash_ms") * 1e3 / at(result, "attention", FIRST, load, "us")


def rows(result: dict) -> list[Row]:
    """Those of the issue first, then others of research/performance.md, which have an aim alone."""
    many, long = "decode 32 x 4096", "decode 8 x 32768"
    wanted = [
        (Target("8B bf16 decode, 1 stream, 1K: of copy bandwidth", "%", 0.85, 0.92), lambda: decode_share(result, FIRST)),
        (Target("8B fp8 decode, 1 stream, 1K: of copy bandwidth", "%", 0.70, 0.85), lambda: decode_share(result, FP8)),
        (Target("8B int4 g128 decode, 1 stream, 1K: of copy bandwidth", "%", 0.60, 0.75), lambda: decode_share(result, W4)),
        (Target("8B bf16 prefill, 2K: of torch's GEMM rate", "%", 0.70, 0.85), lambda: prefill_share(result, FIRST, "speed", PREFILL, 2048)),
        (Target("paged decode attention alone, 32 x 4K: of copy bandwidth", "%", 0.65, 0.80), lambda: attention_share(result, many)),
        (Target("8B bf16, 256 streams, 1000 + 1000 (target for an H200)", "tok/s", 6000, 9000), lambda: served(result, f"{FIRST}, 1000 + 1000")),
        (Target("8B bf16 from page cache to first token", "s", 3, 2, True), lambda: at(result, "load", FIRST, "seconds")),
        (Target("host time a step, 256 streams", "us", 50, 20, True), lambda: host_us(result)),
        (Target("8B bf16 prefill, 8K: of torch's GEMM rate", "%", None, 0.85), lambda: prefill_share(result, FIRST, "long", PREFILL_8K, 8192)),
        (Target("paged decode attention alone, 8 x 32K: of copy bandwidth", "%", None, 0.80), lambda: attention_share(result, long)),
        (Target("8B fp8 weights and KV, 256 streams, 1000 + 1000 (target for an H200)", "tok/s", None, 19000), lambda: served(result, f"{FP8KV}, 1000 + 1000")),
        (Target("8B bf16, 256 streams, 128 + 2048", "tok/s", None, None), lambda: served(result, f"{FIRST}, 128 + 2048")),
        (Target("8B fp8 weights and KV, 256 streams, 128 + 2048", "tok/s", None, None), lambda: served(result, f"{FP8KV}, 128 + 2048")),
        (Target("8B bf16 decode over transformers", "x", None, 1.5), lambda: over_transformers(result, FIRST, FIRST)),
        (Target("1B bf16 decode over transformers", "x", None, 2.2), lambda: over_transformers(result, SMALL, SMALL)),
        (Target("8B fp8 decode over transformers in bf16", "x", None, 2.6), lambda: over_transformers(result, FP8, FIRST)),
        (Target("8B int4 g128 decode over transformers in bf16", "x", None, 3.9), lambda: over_transformers(result, W4, FIRST)),
        (Target("8B bf16 prefill over transformers, 2K", "x", None, 1.25), lambda: prefill_over_transformers(result, "speed", PREFILL, 2048)),
        (Target("8B bf16 prefill over transformers, 8K", "x", None, 1.25), lambda: prefill_over_transformers(result, "long", PREFILL_8K, 8192)),
        (Target("paged decode attention over torch's FlashAttention without pages, 32 x 4K", "x", None, None), lambda: over_flash(result, many)),
        (Target("paged decode attention over torch's FlashAttention without pages, 8 x 32K", "x", None, None), lambda: over_flash(result, long)),
    ]
    found = []
    for target, measure in wanted:
        try:
            found.append(Row(target, measure()))
        except Missing as missing:
            found.append(Row(target, None, str(missing)))
    return found
