"""What a busy rival on the same CPUs costs: decode and prefill speed of an engine alone and beside it, in rounds that take turns.

Usage: tests/bench/rival.py ENGINE [--cpus 0-3] [--rival-cpus 1] [--threads N] [--rounds 5] [--markdown FILE] [--json FILE]
The rival keeps a thread of pure arithmetic on each of its CPUs (default: on all). These are shared half and half then, so 50% is
what is due beside one on every CPU; the exit status is 1 when a median falls below --floor (default 0.4 of the speed alone).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

import inputs
import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUSY = """
import ctypes, os, signal, sys
for cpu in map(int, sys.argv[1].split(",")):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with its parent
        os.sched_setaffinity(0, {cpu})
        while True:
            pass
signal.pause()
"""


class Rival:
    """Busy on every one of `cpus` while the block runs."""

    def __init__(self, cpus: list[int]):
        self.cpus = cpus

    def __enter__(self):
        self.child = subprocess.Popen([sys.executable, "-c", BUSY, ",".join(map(str, self.cpus))])

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def cpu_list(text: str) -> list[int]:
    """"0-2,5" -> [0, 1, 2, 5]"""
    cpus = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return cpus


def bench(flags, cpus: list[int], threads: int) -> dict[str, float]:
    command = [flags.llmc_run, flags.engine, "--bench", "--json", "--repeat", "1", "--threads", threads, "--prompt-tokens", 128,
               "--output-tokens", flags.output_tokens]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, cpus))
    repeat = json.loads(done.stdout)["repeats"][0]
    return {"decode": repeat["decode_tokens_per_s"], "prefill": repeat["prefill_tokens_per_s"]}


def measure(flags, cpus: list[int], threads: int) -> dict:
    alone, beside = [], []
    for _ in range(flags.rounds):
        alone.append(bench(flags, cpus, threads))
        with Rival(flags.rival_cpus or cpus):
            beside.append(bench(flags, cpus, threads))
    table = {}
    for what in ("decode", "prefill"):
        quiet, loud = ([one[what] for one in samples] for samples in (alone, beside))
        table[what] = {"alone": statistics.median(quiet), "beside": statistics.median(loud), "least_beside": min(loud),
                       "share": statistics.median(loud) / statistics.median(quiet)}
    return table


def markdown(table: dict, cpus: list[int], rival: list[int], threads: int) -> str:
    lines = [f"{machine.facts()['cpu']}, CPUs {cpus}, {threads} workers, a rival with a busy thread on each of {rival}", "",
             "| what | alone | beside the rival (worst round) | share |", "| --- | --- | --- | --- |"]
    for what, row in table.items():
        lines.append(f"| {what}, tok/s | {row['alone']:.0f} | {row['beside']:.0f} ({row['least_beside']:.0f}) | {row['share']:.0%} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine")
    parser.add_argument("--cpus", type=cpu_list, default=sorted(os.sched_getaffinity(0)))
    parser.add_argument("--rival-cpus", type=cpu_list)
    parser.add_argument("--output-tokens", type=int, default=129, help="more of them when what the pool learns of rivals is to count")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--llmc-run", default=ROOT / "build/bin/llmc-run")
    parser.add_argument("--floor", type=float, default=0.4)
    parser.add_argument("--markdown")
    parser.add_argument("--json")
    flags = parser.parse_args()
    for path in (flags.engine, flags.llmc_run):
        inputs.check_file(parser, pathlib.Path(path))
    inputs.check_cpus(parser, "--cpus", flags.cpus)
    inputs.check_cpus(parser, "--rival-cpus", flags.rival_cpus or [])
    threads = flags.threads or len(flags.cpus)
    table = measure(flags, flags.cpus, threads)
    text = markdown(table, flags.cpus, flags.rival_cpus or flags.cpus, threads)
    print(text, end="")
    if flags.markdown:
        pathlib.Path(flags.markdown).write_text(text)
    if flags.json:
        pathlib.Path(flags.json).write_text(json.dumps({"cpus": flags.cpus, "rival_cpus": flags.rival_cpus or flags.cpus, "threads": threads, **table}, indent=1) + "\n")
    return 0 if all(row["share"] >= flags.floor for row in table.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
