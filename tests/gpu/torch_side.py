"""What torch reaches on this GPU: copies, bf16 products of an 8B llama's shapes, attention. Prints one JSON."""

import json

import torch
import torch.nn.functional as functional

HIDDEN, FFN, HEADS, KV_HEADS, DIM = 4096, 14336, 32, 8, 128


def milliseconds(run, repeats: int = 20) -> float:
    """The median of events around each repeat, after warming up."""
    for _ in range(3):
        run()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def random(*shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def products() -> dict:
    found = {}
    for tokens in (1, 8, 2048):
        for name, (n, k) in {"gate_up": (2 * FFN, HIDDEN), "down": (HIDDEN, FFN)}.items():
            # Several weights in turn: one alone would stay in the cache.
            weights, x, turn = [random(n, k) for _ in range(4)], random(tokens, k), iter(range(10**9))
            time = milliseconds(lambda: functional.linear(x, weights[next(turn) % 4]))
            found[f"{name} x {tokens}"] = {"ms": time, "tflops": 2 * tokens * n * k / time / 1e9, "gb_per_s": n * k * 2 / time / 1e6}
    return found


def attention() -> dict:
    q, k, v = random(1, HEADS, 2048, DIM), random(1, HEADS, 2048, DIM), random(1, HEADS, 2048, DIM)
    prefill = milliseconds(lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=True))
    one, keys, values = random(32, HEADS, 1, DIM), random(32, KV_HEADS, 4096, DIM), random(32, KV_HEADS, 4096, DIM)
    decode = milliseconds(lambda: functional.scaled_dot_product_attention(one, keys, values, enable_gqa=True))
    return {"prefill 2K": {"ms": prefill, "tflops": 2 * HEADS * 2048 * 2048 * DIM / prefill / 1e9},
            "decode 32 x 4K": {"ms": decode, "gb_per_s": 2 * 32 * KV_HEADS * 4096 * DIM * 2 / decode / 1e6}}


def main():
    if not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    source = torch.randint(0, 255, (1 << 30,), device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    copy = milliseconds(lambda: target.copy_(source))
    print(json.dumps({"torch": torch.__version__, "device": torch.cuda.get_device_name(), "copy_gb_per_s": 2 * source.numel() / copy / 1e6,
                      "products": products(), "attention": attention()}))


if __name__ == "__main__":
    main()
