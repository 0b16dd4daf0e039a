"""What llmc has set itself, by the weights it runs: times llama.cpp's best, and share of the machine's limit."""

# What: (with VNNI, with AVX2 only, share of the limit). The limit is the read bandwidth while decoding and the peak of the products' type at
# prompts, measured in the same run. Contexts are the beginnings of names of cases.
SEVERAL = {"8 sequences": (3.2, 2.2, None), "16 sequences": (3.0, 2.2, None), "32 sequences": (3.0, 2.0, None)}
SMALL = {
    "decode at 32": (2.2, 2.2, 0.75),
    "decode at 1,024": (2.4, 2.4, None),
    "decode at 2,048": (2.6, 2.8, None),
    "prefill 4,096": (4.0, 3.0, None),
    "prefill": (4.5, 2.6, 0.65),
    **SEVERAL,
}
LONG = {"decode at 8,192": (2.5, 2.0, 0.85)}
TARGETS = {
    "135M": SMALL,
    "1B-Q4_0": {**LONG, "decode": (2.0, 1.7, 0.9), "prefill": (4.5, 2.6, 0.65), **SEVERAL},
    "1B-Q4_K": {**LONG, "decode": (2.0, 1.5, 0.9), "prefill": (3.8, 2.2, 0.65), **SEVERAL},
    "1B-Q8_0": {**LONG, "decode": (1.8, 1.1, 0.9), "prefill": (5.5, 1.8, 0.65), **SEVERAL},
    "1B-BF16": {"decode": (1.3, 1.1, 0.93), "prefill": (1.9, 1.5, 0.85), **SEVERAL},
    "8B-Q4_0": {"decode": (2.0, 1.1, 0.92), "prefill": (4.5, 2.6, 0.65)},
}
FIRST_LIMIT_MS, FIRST_RATIO = 60, 4.0


def target(weights: str, case: str, vnni: bool) -> tuple[float | None, float | None]:
    """Ratio and share of the limit; None where nothing is set."""
    if case.startswith("start"):
        return FIRST_RATIO, None
    for name, (with_vnni, without, limit) in TARGETS[weights].items():
        if case.startswith(name):
            return with_vnni if vnni else without, limit
    return None, None


FLOAT_KL = 1e-4  # nats: where both sides are nearer to exact math than this, their order says nothing
ALIKE = 1.05  # where what both round alike (f16 keys and values) decides, they differ by less than this


def quality_held(quality: dict) -> bool:
    """llmc is no further from exact math than llama.cpp on the same file; true of a run without an engine or without this measurement."""
    if "llmc" not in quality:
        return True
    ours, theirs = (quality[name]["kl_mean"] for name in ("llmc", "llama.cpp"))
    return ours <= max(ALIKE * theirs, FLOAT_KL)
