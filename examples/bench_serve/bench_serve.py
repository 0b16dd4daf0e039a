#!/usr/bin/env python3
"""Loads an OpenAI server (llmc-run, vLLM, llama.cpp, ..) and prints the table of `vllm bench serve`; needs only Python 3.10.

Example: bench_serve.py --base-url http://127.0.0.1:8000 --num-prompts 200 --request-rate 10 --goodput ttft:500 tpot:50
"""

import argparse
import asyncio
import importlib.util
import json
import math
import pathlib
import random
import resource
import sys
import time

import report
import workload
from sse_client import Client, Outcome


def parse(arguments=None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--base-url", default="http://127.0.0.1:8000", help="http only (default http://127.0.0.1:8000)")
    add("--endpoint", default="/v1/completions", help="or /v1/chat/completions (default /v1/completions)")
    add("--model", help="default: the first of /v1/models")
    add("--api-key", default="")
    add("--num-prompts", type=int, default=100, help="requests (default 100)")
    add("--num-warmups", type=int, default=0, help="requests before that are not counted (default 0)")
    add("--dataset-name", default="random", choices=("random", "prefix_repetition", "lognormal"), help="see README.md")
    add("--text", type=pathlib.Path, default=workload.TEXT, help="where prompts are cut from (default: tests/fixtures/text/kjv.txt)")
    add("--prompt-form", choices=("ids", "text"), help="default: ids for completions when the server has /tokenize, else text")
    add("--input-len", type=int, default=128, help="tokens; lognormal: median; prefix_repetition: after the prefix (default 128)")
    add("--output-len", type=int, default=128, help="tokens; lognormal: median (default 128)")
    add("--random-range-ratio", type=float, default=0, help="random: lengths vary by this share (default 0)")
    add("--prefix-len", type=int, default=1000, help="prefix_repetition: tokens (default 1000)")
    add("--num-prefixes", type=int, default=1, help="prefix_repetition (default 1)")
    add("--input-sigma", type=float, default=1.2, help="lognormal (default 1.2)")
    add("--output-sigma", type=float, default=1.0, help="lognormal (default 1.0)")
    add("--max-len", type=int, default=1024, help="lognormal: most tokens of a prompt or an answer (default 1024)")
    add("--request-rate", type=float, default=math.inf, help="requests a second (default inf: all at once)")
    add("--burstiness", type=float, default=1.0, help="1: Poisson; less: in clumps; more: even (default 1)")
    add("--burst-size", type=int, default=1, help="requests that arrive at the same moment (default 1)")
    add("--max-concurrency", type=int, help="requests under way at most (closed loop)")
    add("--goodput", nargs="+", default=[], metavar="NAME:MS", help="ttft, tpot, e2el that a good request keeps")
    add("--temperature", type=float, default=0.0, help="default 0")
    add("--no-ignore-eos", action="store_true", help="answers may end before --output-len")
    add("--extra-body", type=json.loads, default={}, help="JSON object added to each request")
    add("--percentiles", default="99", help="default 99")
    add("--seed", type=int, default=0)
    add("--result-filename", type=pathlib.Path, help="write vLLM's JSON keys")
    add("--save-detailed", action="store_true", help="with a row for each request")
    add("--plot", type=pathlib.Path, help="a picture (.png or .svg; needs matplotlib)")
    args = parser.parse_args(arguments)
    if args.num_prompts < 1 or args.request_rate <= 0 or args.burstiness <= 0 or args.burst_size < 1:
        parser.error("--num-prompts, --request-rate, --burstiness and --burst-size must be above 0")
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install matplotlib, or leave --plot out")
    args.goodput = dict(read_goodput(parser, one) for one in args.goodput)
    args.percentiles = [float(p) for p in args.percentiles.split(",")]
    return args


def read_goodput(parser, text: str) -> tuple[str, float]:
    name, _, value = text.partition(":")
    try:
        if name in ("ttft", "tpot", "e2el") and float(value) > 0:
            return name, float(value)
    except ValueError:
        pass
    parser.error(f"--goodput takes ttft:MS, tpot:MS or e2el:MS, found {text}")


def body_of(request: workload.Request, args, model: str) -> dict:
    body = {"model": model, "max_tokens": request.output_len, "temperature": args.temperature, "stream": True}
    body |= {"stream_options": {"include_usage": True}}
    if not args.no_ignore_eos:
        body["ignore_eos"] = True
    if args.endpoint.endswith("/chat/completions"):
        body["messages"] = [{"role": "user", "content": request.prompt}]
    else:
        body["prompt"] = request.prompt
    return body | args.extra_body


async def run(client: Client, requests: list, make_body, endpoint: str, concurrency: int | None) -> tuple[list[Outcome], float]:
    """Sends each request at its moment, or when one of `concurrency` places is free; outcomes in the order of requests."""
    places = asyncio.Semaphore(concurrency) if concurrency else None
    messages = [client.message("POST", endpoint, json.dumps(make_body(r)).encode()) for r in requests]
    begin = time.perf_counter()

    async def one(request, message) -> Outcome:
        wait = begin + request.at - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        due = max(begin + request.at, begin)
        if places is None:
            return await client.send(message)
        async with places:
            outcome = await client.send(message)
        outcome.queued = outcome.start - due
        return outcome

    outcomes = await asyncio.gather(*(one(r, m) for r, m in zip(requests, messages, strict=True)))
    duration = time.perf_counter() - begin
    for request, outcome in zip(requests, outcomes, strict=True):
        outcome.input_tokens = outcome.input_tokens or request.input_len
    return outcomes, duration


async def model_of(client: Client) -> str:
    """The first model's name; waits up to a minute for a server that is still loading it."""
    answer = await client.get("/v1/models")
    for _ in range(240):
        if answer.status != 503:
            break
        await asyncio.sleep(0.25)
        answer = await client.get("/v1/models")
    if answer.status != 200:
        raise SystemExit(f"{client.host}:{client.port}/v1/models: {answer.error}")
    return json.loads(answer.body)["data"][0]["id"]


async def main(args) -> dict:
    client, chance = Client(args.base_url, args.api_key), random.Random(args.seed)
    model = args.model or await model_of(client)
    text = args.text.read_text()
    ids = None
    if args.prompt_form != "text" and not args.endpoint.endswith("/chat/completions"):
        ids = await workload.tokens_of(client, model, text)
        if ids is None and args.prompt_form == "ids":
            raise SystemExit("--prompt-form ids needs a server with /tokenize")
    mix = workload.Mix(args.dataset_name, args.input_len, args.output_len, args.random_range_ratio, args.prefix_len,
                       args.num_prefixes, args.input_sigma, args.output_sigma, args.max_len)  # fmt: skip
    source = workload.Source(ids, text, chance)
    make_body = lambda request: body_of(request, args, model)
    if args.num_warmups:
        warm = workload.make(mix, args.num_warmups, source, chance)
        await run(client, warm, make_body, args.endpoint, args.max_concurrency)
    requests = workload.make(mix, args.num_prompts, source, chance)
    workload.arrive(requests, args.request_rate, args.burstiness, args.burst_size, chance)
    outcomes, duration = await run(client, requests, make_body, args.endpoint, args.max_concurrency)
    client.close()

    result = report.summary(outcomes, duration, args.goodput, args.percentiles)
    for error in [o.error for o in outcomes if o.error][:10]:
        print("failed:", error, file=sys.stderr)
    print(report.table(result, args.request_rate, args.max_concurrency, args.percentiles))
    about = {"date": time.strftime("%Y%m%d-%H%M%S"), "backend": "openai", "endpoint_type": "openai", "label": None}
    about |= {"model_id": model, "tokenizer_id": model, "num_prompts": args.num_prompts, "burstiness": args.burstiness}
    about |= {"request_rate": args.request_rate if math.isfinite(args.request_rate) else "inf"}
    about |= {"max_concurrency": args.max_concurrency}
    if args.result_filename:
        rows = report.detail(outcomes) if args.save_detailed else {}
        args.result_filename.write_text(json.dumps(about | result | rows))
    if args.plot:
        report.plot(outcomes, args.plot)
    return result


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.exit(0 if asyncio.run(main(parse()))["completed"] else 1)
