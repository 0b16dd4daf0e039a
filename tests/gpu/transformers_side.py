"""What transformers reaches on this machine with a llama of the same shape and made-up weights, in bf16: eager, and with a static cache and torch.compile.
Prints a JSON line whenever it knows more: the last one has all.

Usage: transformers_side.py CONFIG.json [--device cuda] [--prompt 1024] [--tokens 64] [--prefill 2048,8192] [--no-compile]
"""

import argparse
import functools
import json
import time

import torch
import transformers


def cache_for(config, length: int, device: str):
    """Its arguments have had several names."""
    for names in ({"max_cache_len": length}, {"max_batch_size": 1, "max_cache_len": length, "device": device, "dtype": torch.bfloat16}):
        try:
            return transformers.StaticCache(config=config, **names)
        except TypeError as error:
            wrong = error
    raise SystemExit(f"StaticCache of transformers {transformers.__version__}: {wrong}")


def rewind(cache, length: int):
    """To `length` tokens. Releases before 5 go by cache_position; later ones ignore that and count what they were given, in a tensor whose address graphs know."""
    for layer in getattr(cache, "layers", []):
        if isinstance(counted := getattr(layer, "cumulative_length", None), torch.Tensor):
            counted.fill_(length)


class Side:
    def __init__(self, options):
        self.options = options
        self.config = transformers.LlamaConfig(**json.load(open(options.config, encoding="utf-8")))
        torch.manual_seed(1)
        torch.set_default_dtype(torch.bfloat16)
        with torch.device(options.device):
            self.model = transformers.LlamaForCausalLM(self.config).eval()

    def ids(self, count: int):
        return torch.randint(3, self.config.vocab_size, (1, count), device=self.options.device)

    def seconds(self, run) -> float:
        """The best of three, after one that is not counted."""
        best = float("inf")
        for repeat in range(4):
            self.wait()
            begin = time.perf_counter()
            run()
            self.wait()
            best = best if repeat == 0 else min(best, time.perf_counter() - begin)
        return best

    def wait(self):
        if self.options.device == "cuda":
            torch.cuda.synchronize()

    def prefill(self, tokens: int) -> dict:
        ids = self.ids(tokens)
        seconds = self.seconds(lambda: self.model(ids, use_cache=True, logits_to_keep=1))
        return {"ms": seconds * 1e3, "tokens_per_s": tokens / seconds}

    def decode(self, compiled: bool) -> dict:
        """Greedy tokens one by one behind a prompt."""
        length, tokens = self.options.prompt, self.options.tokens

        def step(ids, position, cache):
            return self.model(ids, cache_position=position, past_key_values=cache, use_cache=True).logits[:, -1:].argmax(-1)

        fast = torch.compile(step, mode="reduce-overhead", fullgraph=True) if compiled else step
        cache = cache_for(self.config, length + tokens, self.options.device)
        prompt = self.ids(length)
        first = step(prompt, torch.arange(length, device=self.options.device), cache)

        def run():
            rewind(cache, length)
            last = first
            for i in range(tokens):
                last = fast(last.clone(), torch.tensor([length + i], device=self.options.device), cache)

        return {"tokens_per_s": tokens / self.seconds(run)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--device", default="cuda")
    for flag, default in (("--prompt", 1024), ("--tokens", 64)):
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--prefill", type=lambda text: [int(one) for one in text.split(",")], default=[2048, 8192])
    parser.add_argument("--no-compile", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch finds no CUDA device")
    with torch.inference_mode():
        side = Side(options)
        found = {"transformers": transformers.__version__, "torch": torch.__version__}
        parts = {f"prefill {tokens}": functools.partial(side.prefill, tokens) for tokens in options.prefill}
        parts["decode"] = functools.partial(side.decode, False)
        if not options.no_compile:
            parts["decode, static cache and torch.compile"] = functools.partial(side.decode, True)
        for part, measure in parts.items():
            found[part] = measure()
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
