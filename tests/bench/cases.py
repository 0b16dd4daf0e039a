"""What is timed, how each side is called for it, and the floor that llmc has set itself."""

import dataclasses
import json
import pathlib
import sys

import machine
from peer import token_ids

HERE = pathlib.Path(__file__).resolve().parent
FIRST_TOKENS = 16
FIRST_LIMIT_MS = 150


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    kind: str  # decode | prefill | first
    tokens: int  # context for decode, prompt length else
    streams: int = 1

    def floor(self, vnni: bool) -> float | None:
        """Times llama.cpp's best; None where the floor is a time."""
        if self.kind == "prefill":
            return 2.5 if vnni else 1.8
        if self.kind == "decode":
            return 1.4 if self.streams == 1 else 1.6
        return None


CASES = [
    Case("decode at 32", "decode", 32),
    Case("decode at 1,024", "decode", 1024),
    Case("prefill 128", "prefill", 128),
    Case("prefill 512", "prefill", 512),
    Case("prefill 2,048", "prefill", 2048),
    Case("8 sequences at 32", "decode", 32, 8),
    Case("8 sequences at 1,024", "decode", 1024, 8),
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
    text, cost = machine.run_measured(command)
    key = {"decode": "decode_tokens_per_s", "prefill": "prefill_tokens_per_s", "first": "ttft_ms"}[case.kind]
    values = _values(json.loads(text), key)
    if not values:
        raise SystemExit(f"{command}: no {key} in {text[:500]}")
    # the whole process, start and end included, is what a user waits for
    value = cost["wall_s"] * 1e3 if case.kind == "first" else sorted(values)[len(values) // 2]
    return {"value": value, **cost}


def run_peer(model, flash: bool, case: Case, threads: int, steps: int) -> dict:
    """One llama.cpp process. For `first` the start of Python and its imports are left out."""
    spell = {"decode": f"decode:{case.tokens}:{case.streams}"}.get(case.kind, f"{case.kind}:{case.tokens}")
    command = [sys.executable, HERE / "peer.py", "--model", model, "--threads", threads, "--flash", int(flash)]
    text, cost = machine.run_measured([*command, "--case", spell, "--tokens", steps])
    said = json.loads(text)
    value = said["first_ms"] if case.kind == "first" else said["tok_s"][0]
    return {"value": value, **cost}
