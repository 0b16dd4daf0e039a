"""What is timed, and how each side is called for it."""

import dataclasses
import json
import pathlib
import sys

import machine
from peer import token_ids

HERE = pathlib.Path(__file__).resolve().parent
FIRST_TOKENS = 16
KEPT_CONTEXT = 4096  # llama.cpp reads longer contexts from a file that its first process writes: minutes a process otherwise


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str  # decode | prefill | first
    tokens: int  # context for decode, prompt length else
    streams: int = 1


CASES = [
    Case("decode at 32", "decode", 32),
    Case("decode at 1,024", "decode", 1024),
    Case("decode at 2,048", "decode", 2048),
    Case("decode at 8,192", "decode", 8192),
    Case("prefill 128", "prefill", 128),
    Case("prefill 512", "prefill", 512),
    Case("prefill 2,048", "prefill", 2048),
    Case("prefill 4,096", "prefill", 4096),
    Case("2 sequences at 32", "decode", 32, 2),
    Case("4 sequences at 32", "decode", 32, 4),
    Case("8 sequences at 32", "decode", 32, 8),
    Case("16 sequences at 32", "decode", 32, 16),
    Case("32 sequences at 128", "decode", 128, 32),
    Case("8 sequences at 1,024", "decode", 1024, 8),
    Case("16 sequences at 1,024", "decode", 1024, 16),
    Case(f"start to first token, {FIRST_TOKENS} tokens", "first", FIRST_TOKENS),
]


def _values(node, key: str) -> list[float]:
    """All numbers under a key, wherever the JSON nests them (one for each repeat)."""
    if isinstance(node, dict):
        found = [float(node[key])] if isinstance(node.get(key), (int, float)) else []
        return found + [v for child in node.values() for v in _values(child, key)]
    if isinstance(node, list):
        return [v for child in node for v in _values(child, key)]
    return []


def run_ours(binary, engine, case: Case, threads: int, steps: int) -> dict:
    """One llmc-run process. `value` is tokens a second (all sequences together), or milliseconds for `first`."""
    command = [binary, engine, "--threads", threads, "--json"]
    if case.kind == "first":
        ids = ",".join(map(str, token_ids(case.tokens, 32000)))
        command += ["--prompt-ids", ids, "--max-tokens", 1, "--temperature", 0, "--ignore-eos"]
    else:
        output = steps if case.kind == "decode" else 1
        command += ["--bench", "--prompt-tokens", case.tokens, "--output-tokens", output, "--repeat", 1]
        command += ["--streams", case.streams]
    if case.kind == "prefill":
        command += ["--profile"]  # says the share of the peak; its cost is below the noise of a prompt
    text, cost = machine.run_measured(command)
    said = json.loads(text)
    key = {"decode": "decode_tokens_per_s", "prefill": "prefill_tokens_per_s", "first": "ttft_ms"}[case.kind]
    values = _values(said, key)
    if not values:
        raise SystemExit(f"{command}: no {key} in {text[:500]}")
    # the whole process, start and end included, is what a user waits for
    value = cost["wall_s"] * 1e3 if case.kind == "first" else sorted(values)[len(values) // 2]
    limit = {"decode": lambda: said["repeats"][0]["bandwidth_share"], "prefill": lambda: said["profile"]["prefill"]["of_limit"]}
    return {"value": value, **cost} | ({"of_limit": limit[case.kind]()} if case.kind in limit else {})


def run_peer(model, flash: bool, case: Case, threads: int, steps: int, cache: str = "f16") -> dict:
    """One llama.cpp process. For `first` the start of Python and its imports are left out."""
    spell = {"decode": f"decode:{case.tokens}:{case.streams}"}.get(case.kind, f"{case.kind}:{case.tokens}")
    command = [sys.executable, HERE / "peer.py", "--model", model, "--threads", threads, "--flash", int(flash), "--cache", cache]
    if case.tokens > KEPT_CONTEXT:
        kept = pathlib.Path(model).with_name(f"{pathlib.Path(model).stem}.{case.tokens}.{'fa' if flash else 'plain'}.{cache}.state")
        command += ["--keep", kept]
    text, cost = machine.run_measured([*command, "--case", spell, "--tokens", steps])
    said = json.loads(text)
    value = said["first_ms"] if case.kind == "first" else said["tok_s"][0]
    return {"value": value, **cost}
