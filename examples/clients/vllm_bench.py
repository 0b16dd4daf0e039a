"""`vllm bench serve` against a running server, by vLLM's own code from its wheel: loop, requests, percentiles, table.

Usage: vllm_bench.py FOLDER URL MODEL [FLAG...]     FOLDER holds vllm/benchmarks of the wheel; flags are vLLM's
The package itself needs torch and CUDA's libraries to be imported. Of what its benchmark imports from elsewhere five
modules remain: those have stand-ins below, which make prompts and read flags. All that is sent and measured is vLLM's.
"""

import argparse
import gc
import logging
import pathlib
import random
import sys
import types
from dataclasses import dataclass, field

WORDS = "the sea was calm and a small boat went out to look for fish while birds followed it along the coast".split()


@dataclass
class SampleRequest:
    """vLLM's fields; the prompt's length is what the server counts, so it is not needed here."""

    prompt: str
    prompt_len: int = 0
    expected_output_len: int = 16
    multi_modal_data: dict | None = None
    lora_request: object | None = None
    request_id: str | None = None
    timestamp: float | None = None
    chat_messages: list | None = None
    request_overrides: dict | None = field(default=None)


def add_dataset_parser(parser: argparse.ArgumentParser):
    parser.add_argument("--num-prompts", type=int, default=32)
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dataset-name", default="words")
    for name in ("dataset-path", "lora-path"):
        parser.add_argument("--" + name)


def get_samples(args, _tokenizer):
    made = random.Random(args.seed)
    return [SampleRequest(" ".join(made.choices(WORDS, k=args.input_len)), args.input_len, args.output_len, request_id=f"bench-{i}")
            for i in range(args.num_prompts)]


def count_tokens(*_args, **_named):
    """vLLM counts tokens itself only when the server does not report them."""
    raise AssertionError("the server did not say how many tokens it made")


def stand_in(name: str, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def prepare(folder: str):
    """Makes `vllm` a package without its own __init__, which would import torch."""
    package = types.ModuleType("vllm")
    package.__path__ = [str(pathlib.Path(folder) / "vllm")]
    sys.modules["vllm"] = package
    stand_in("vllm.logger", init_logger=logging.getLogger)
    stand_in("vllm.tokenizers", TokenizerLike=object, get_tokenizer=lambda *_, **__: count_tokens)
    stand_in("vllm.utils")
    stand_in("vllm.utils.argparse_utils", FlexibleArgumentParser=argparse.ArgumentParser)
    stand_in("vllm.utils.gc_utils", freeze_gc_heap=gc.freeze)
    stand_in("vllm.utils.network_utils", join_host_port=lambda host, port: f"{host}:{port}")
    stand_in("vllm.benchmarks.datasets", SampleRequest=SampleRequest, add_dataset_parser=add_dataset_parser, get_samples=get_samples)


def main(folder: str, url: str, model: str, *flags: str):
    prepare(folder)
    from vllm.benchmarks import serve

    parser = argparse.ArgumentParser()
    serve.add_cli_args(parser)
    base = url.removesuffix("/v1")
    for backend, endpoint in (("openai", "/v1/completions"), ("openai-chat", "/v1/chat/completions")):
        args = parser.parse_args(["--backend", backend, "--base-url", base, "--endpoint", endpoint, "--model", model,
                                  "--ignore-eos", "--temperature", "0", "--disable-tqdm",
                                  "--input-len", "32", "--output-len", "32", "--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,99",
                                  *flags])
        result = serve.main(args)
        wanted = args.num_prompts
        assert result["completed"] == wanted and result["failed"] == 0, result
        assert result["total_output_tokens"] == wanted * args.output_len, result["total_output_tokens"]
        assert all(result[f"{statistic}_{name}_ms"] > 0 for statistic in ("mean", "median", "p99") for name in ("ttft", "tpot", "itl", "e2el")), result


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("vllm bench serve: all as expected")
