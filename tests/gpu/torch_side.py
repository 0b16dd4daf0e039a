"""What torch reaches on this GPU: copies, bf16 products of an 8B llama's shapes, attention. Prints one JSON.

Usage: torch_side.py [--device cuda] [--quick]
  --quick  one layer's shapes over 32, few repeats: to try the script, on a CPU, too
"""

import argparse
import json
import time

import torch
import torch.nn.functional as functional

FFN_OF_HIDDEN, DIM = 3.5, 128


class Side:
    def __init__(self, device: str, quick: bool):
        self.device, self.repeats, self.share = device, 2 if quick else 20, 32 if quick else 1
        self.hidden, self.heads, self.kv_heads = 4096 // self.share, max(4, 32 // self.share), max(1, 8 // self.share)
        self.ffn = int(FFN_OF_HIDDEN * self.hidden)

    def once(self, run) -> float:
        """Milliseconds, by events where there are such."""
        if self.device != "cuda":
            begin = time.perf_counter()
            run()
            return (time.perf_counter() - begin) * 1e3
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end)

    def milliseconds(self, run) -> float:
        """The median of repeats, after warming up."""
        for _ in range(3):
            run()
        return sorted(self.once(run) for _ in range(self.repeats))[self.repeats // 2]

    def random(self, *shape):
        return torch.randn(*shape, device=self.device, dtype=torch.bfloat16)

    def copy(self) -> float:
        """GB/s, read and written."""
        source = torch.randint(0, 255, ((1 << 30) // self.share,), device=self.device, dtype=torch.uint8)
        target = torch.empty_like(source)
        return 2 * source.numel() / self.milliseconds(lambda: target.copy_(source)) / 1e6

    def products(self) -> dict:
        found = {}
        for tokens in (1, 8, 2048 // self.share):
            for name, (n, k) in {"gate_up": (2 * self.ffn, self.hidden), "down": (self.hidden, self.ffn)}.items():
                # Several weights in turn: one alone would stay in the cache.
                weights, x, turn = [self.random(n, k) for _ in range(4)], self.random(tokens, k), iter(range(10**9))
                ms = self.milliseconds(lambda: functional.linear(x, weights[next(turn) % 4]))
                found[f"{name} x {tokens}"] = {"ms": ms, "tflops": 2 * tokens * n * k / ms / 1e9, "gb_per_s": n * k * 2 / ms / 1e6}
        return found

    def attention(self) -> dict:
        heads, kv_heads, prompt, context = self.heads, self.kv_heads, 2048 // self.share, 4096 // self.share
        q, k, v = (self.random(1, heads, prompt, DIM) for _ in range(3))
        prefill = self.milliseconds(lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=True))
        one, keys, values = self.random(32, heads, 1, DIM), self.random(32, kv_heads, context, DIM), self.random(32, kv_heads, context, DIM)
        decode = self.milliseconds(lambda: functional.scaled_dot_product_attention(one, keys, values, enable_gqa=True))
        return {f"prefill {prompt}": {"ms": prefill, "tflops": 2 * heads * prompt * prompt * DIM / prefill / 1e9},
                f"decode 32 x {context}": {"ms": decode, "gb_per_s": 2 * 32 * kv_heads * context * DIM * 2 / decode / 1e6}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    side = Side(options.device, options.quick)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    print(json.dumps({"torch": torch.__version__, "device": name, "copy_gb_per_s": side.copy(), "products": side.products(), "attention": side.attention()}))


if __name__ == "__main__":
    main()
