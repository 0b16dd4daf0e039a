"""llmc and llama.cpp on the same weights, threads and token ids, in interleaved rounds of fresh processes.

Example: side_by_side.py --gguf SmolLM2.Q4_1.gguf --engine engine.bin --json out.json --markdown out.md
Without --engine only llama.cpp is measured. Each round runs every contestant once, in turning order; a sample waits for
a quiet machine. llama.cpp counts at its best: Q4_1 as shipped and Q4_0, flash attention on and off. The same run measures how far both are
from exact math on --gguf; status 1 where llmc is further from it than llama.cpp by more than 5%, past 1e-4 nats.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import inputs
import machine
import table
import targets
from outcome import outcome

try:
    from cases import CASES, run_ours, run_peer
except ModuleNotFoundError as absent:
    sys.exit(f"{absent}: tests/bench/install_peer.sh installs llama.cpp, then run this with .venv/bin/python")

ROOT = pathlib.Path(__file__).resolve().parents[2]


def contestants(args) -> dict:
    """name -> function(case, threads) -> sample. Ours is called llmc."""
    found = {}
    if args.engine:
        binary = pathlib.Path(os.environ.get("LLMC_BIN", ROOT / "build" / "bin")) / "llmc-run"
        found["llmc"] = lambda case, threads: run_ours(binary, args.engine, case, threads, args.steps)
    if args.file_alone:
        models = ((args.gguf.stem, args.gguf),)
    else:
        models = (("Q4_1", args.gguf), ("Q4_0", as_q4_0(args)))
    for title, model in models:
        for flash in (False, True):
            name = f"llama.cpp {title}{' fa' if flash else ''}"
            if args.peers not in name:
                continue
            found[name] = lambda case, threads, m=model, f=flash: run_peer(m, f, case, threads, args.steps)
        if args.q8_0_cache:  # which needs flash attention
            found[f"llama.cpp {title} q8_0 cache"] = lambda case, threads, m=model: run_peer(m, True, case, threads, args.steps, "q8_0")
    return found


def as_q4_0(args) -> pathlib.Path:
    """The same weights in llama.cpp's fast 4-bit type."""
    q4_0 = args.q4_0 or args.gguf.with_name(args.gguf.stem + ".requantized-Q4_0.gguf")
    if not q4_0.exists():
        script = pathlib.Path(__file__).with_name("requantize.py")
        subprocess.run([sys.executable, script, args.gguf, q4_0], check=True, capture_output=True)
    return q4_0


def measure_case(case, threads: int, sides: dict, args) -> dict:
    """name -> list of samples, one a round. The order turns so that no side always follows the same one."""
    samples, names = {name: [] for name in sides}, list(sides)
    for turn in range(args.rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            quiet = machine.wait_quiet(args.quiet_limit, args.patience)
            sample = sides[name](case, threads)
            samples[name].append(sample | {"waited_for_quiet": quiet})
    return samples


def measure_quality(args, threads: int) -> dict:
    """quality.py at the level of the timed runs (LLMC_CPU_LEVEL is in the environment)."""
    command = [sys.executable, pathlib.Path(__file__).with_name("quality.py"), args.gguf, "--tokens", args.quality_tokens, "--threads", threads]
    command += ["--engine", args.engine] if args.engine else []
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"quality.py ended with status {done.returncode}")
    return json.loads(done.stdout)


def summarize(case, threads: int, samples: dict, weights: str, vnni: bool) -> dict:
    unit = "ms" if case.kind == "first" else "tok/s"
    ratio, limit = targets.target(weights, case.name, vnni)
    return {"case": case.name, "threads": threads, "unit": unit, "target": ratio, "limit_target": limit} | outcome(samples, unit)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=pathlib.Path, required=True, help="the shipped model")
    parser.add_argument("--q4-0", type=pathlib.Path, help="the same weights as Q4_0 (made beside --gguf if absent)")
    parser.add_argument("--file-alone", action="store_true", help="llama.cpp runs --gguf as it is, no Q4_0 of it")
    parser.add_argument("--engine", type=pathlib.Path, help="what llmc built from --gguf")
    parser.add_argument("--threads", default="1,2,all", help="default 1,2,all")
    parser.add_argument("--peers", default="", help="only llama.cpp's variants whose name contains this, as Q4_0")
    parser.add_argument("--cases", default="", help="only cases whose name begins with one of these, separated by ';' (default: those of at most 2,048 tokens)")
    parser.add_argument("--weights", default="135M", choices=targets.TARGETS, help="whose targets count (default 135M)")
    parser.add_argument("--variant", help="what tells this engine from another of the same weights, such as 'int8 cache': its rows are rows of their own in summaries")
    parser.add_argument("--q8-0-cache", action="store_true", help="llama.cpp also with keys and values in q8_0")
    parser.add_argument("--level", help="llmc at this CPU level, such as x86-64-v3; the peer is the one of install_peer.sh --avx2 then")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=64, help="decode steps timed in a sample (default 64)")
    parser.add_argument("--quiet-limit", type=float, default=0.3, help="CPUs that others may use (default 0.3)")
    parser.add_argument("--patience", type=float, default=5, help="seconds a sample waits for quiet (default 5)")
    parser.add_argument("--quality-tokens", type=int, default=512, help="tokens whose logits are held against exact math (default 512; 0: none, which the table says)")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path, help="a bar chart (.png or .svg; needs matplotlib)")
    return parser, parser.parse_args()


def main() -> int:
    parser, args = parse_arguments()
    cores = os.cpu_count() or 1
    threads = sorted({min(cores, cores if t == "all" else int(t)) for t in args.threads.split(",")})
    parts = [p for p in args.cases.split(";") if p]
    cases = [c for c in CASES if any(c.name.startswith(p) for p in parts)] if parts else [c for c in CASES if c.tokens <= 2048]
    if not cases:
        parser.error(f"--cases {args.cases}: none begins so; there are {'; '.join(c.name for c in CASES)}")
    for path in filter(None, (args.gguf, args.engine, args.q4_0)):
        inputs.check_file(parser, path)
    sides, about = contestants(args), machine.facts()
    if set(sides) <= {"llmc"}:
        parser.error(f"--peers {args.peers}: no variant of llama.cpp has that in its name")
    about["bandwidth_gb_s"] = machine.bandwidth(threads)
    about["peer"] = table.peer_version()
    vnni = bool({"avx_vnni", "avx512_vnni"} & set(about["flags"]))
    if args.level:
        os.environ["LLMC_CPU_LEVEL"], about["level"], vnni = args.level, args.level, "vnni" in args.level
        if "AVX512 = 1" in machine.peer_instructions():
            parser.error("this llama.cpp uses AVX-512: install_peer.sh --avx2 builds one that does not")
    report = {"machine": about, "weights": args.weights, "rounds": args.rounds, "steps": args.steps, "results": []}
    if args.variant:
        report["variant"] = args.variant
    if args.quality_tokens:
        report["quality"] = measure_quality(args, max(threads))
        print(table.quality_line(report), file=sys.stderr, flush=True)
    for count in threads:
        for case in cases:
            samples = measure_case(case, count, sides, args)
            report["results"].append(summarize(case, count, samples, args.weights, vnni))
            print(table.line(report["results"][-1]), file=sys.stderr, flush=True)
            if args.json:
                args.json.write_text(json.dumps(report, indent=1))
    text = table.markdown(report)
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    if args.plot:
        table.plot(report, args.plot)
    return 0 if targets.quality_held(report.get("quality", {})) else 1


if __name__ == "__main__":
    sys.exit(main())
