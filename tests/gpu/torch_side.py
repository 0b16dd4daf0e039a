"""What torch reaches on this GPU: copies, bf16 and e4m3 products of an 8B llama's shapes, attention. Prints a JSON line whenever it knows more: the
last one has all.

Usage: torch_side.py [--device cuda] [--quick]
  --quick  one layer's shapes over 32, few repeats: to try the script, on a CPU, too
"""

import argparse
import json
import time

import torch
import torch.nn.functional as functional
from torch.nn.attention import SDPBackend, sdpa_kernel

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

    def fp8_product(self) -> dict:
        """Of the longest one: what fp8 engines' products are beside. Where this device or release has no such product, why."""
        tokens, n, k = 2048 // self.share, 2 * self.ffn, self.hidden
        try:
            x, weight = (self.random(rows, k).to(torch.float8_e4m3fn) for rows in (tokens, n))
            scales = torch.ones(tokens, 1, device=self.device), torch.ones(1, n, device=self.device)
            ms = self.milliseconds(lambda: torch._scaled_mm(x, weight.t(), *scales, out_dtype=torch.bfloat16))
        except (RuntimeError, ValueError, AttributeError) as error:
            return {"skipped": str(error).splitlines()[0]}
        return {"ms": ms, "tflops": 2 * tokens * n * k / ms / 1e9}

    def best_attention(self, q, k, v, causal: bool) -> dict:
        """The fastest of the implementations that take these shapes, FlashAttention's own time beside it; none: why."""
        found, reason = {}, ""
        for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH):
            if found and backend is SDPBackend.MATH:  # what others are made to replace
                continue
            try:
                with sdpa_kernel(backend):
                    found[backend.name] = self.milliseconds(lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=causal))
            except RuntimeError as error:
                reason = str(error).splitlines()[0]
        if not found:
            return {"skipped": reason}
        best = min(found, key=found.get)
        return {"ms": found[best], "by": best} | ({"flash_ms": found["FLASH_ATTENTION"]} if "FLASH_ATTENTION" in found else {})

    def prefill_attention(self, prompt: int) -> dict:
        q, k, v = (self.random(1, self.heads, prompt, DIM) for _ in range(3))
        made = self.best_attention(q, k, v, causal=True)
        return made if "skipped" in made else made | {"tflops": 2 * self.heads * prompt * prompt * DIM / made["ms"] / 1e9}

    def decode_attention(self, sequences: int, context: int) -> dict:
        """One token a sequence over a cache without pages. The heads that share K and V are its rows, so that these are read once."""
        query = self.random(sequences, self.kv_heads, self.heads // self.kv_heads, DIM)
        keys, values = (self.random(sequences, self.kv_heads, context, DIM) for _ in range(2))
        made = self.best_attention(query, keys, values, causal=False)
        return made if "skipped" in made else made | {"gb_per_s": 4 * keys.numel() / made["ms"] / 1e6}

    def attention(self) -> dict:
        found = {f"prefill {tokens}": self.prefill_attention(tokens // self.share) for tokens in (2048, 8192)}
        return found | {f"decode {sequences} x {context}": self.decode_attention(sequences, context // self.share) for sequences, context in ((32, 4096), (8, 32768))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    side = Side(options.device, options.quick)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    found = {"torch": torch.__version__, "device": name}
    for part, measure in {"copy_gb_per_s": side.copy, "products": side.products, "attention": side.attention, "fp8_product": side.fp8_product}.items():
        found[part] = measure()
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
