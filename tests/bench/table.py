"""Turns the JSON of side_by_side.py into Markdown or a chart. Usage: table.py RESULT.json [--plot FILE]"""

import argparse
import importlib.metadata
import json
import pathlib

import targets


def peer_version() -> str:
    return "llama-cpp-python " + importlib.metadata.version("llama-cpp-python")


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def line(result: dict) -> str:
    """One row: ours, each peer variant, ratio to the best one with its spread, the share of the machine's limit, the target."""
    cells = [result["case"], str(result["threads"])]
    peers = {k: v for k, v in result["medians"].items() if k != "llmc"}
    ours = result["medians"].get("llmc")
    cells.append(f"{number(ours)} {result['unit']}" if ours is not None else "-")
    for name, value in peers.items():
        cells.append(f"**{number(value)}**" if name == result["best_peer"] else number(value))
    if ours is None:
        cells += ["-", "-", "-"]
    else:
        cells.append(f"{result['ratio']:.2f} ({result['ratio_min']:.2f}-{result['ratio_max']:.2f})")
        cells.append(f"{result['of_limit']:.0%}" if "of_limit" in result else "-")
        cells += [f"{result['target']}x {'met' if result['ratio'] >= result['target'] else 'MISSED'}" if result["target"] else "-"]
    cells.append(f"{result['others_cpus_median']:.1f}")
    return "| " + " | ".join(cells) + " |"


def quality_line(report: dict) -> str:
    """What the speeds cost in precision."""
    quality = report.get("quality")
    if not quality:
        return "KL divergence from exact math: not measured in this run (--quality-tokens 0)."
    said = [f"{name} {q['kl_mean']:.2e} nats, {q['same_top']:.1%} same top token" for name, q in quality.items()]
    count = next(iter(quality.values()))["positions"]
    verdict = "" if targets.quality_held(quality) else " (MISSED: llmc is further from it than llama.cpp)"
    return f"KL divergence from exact math, {count:,} tokens, same file, in this run: {'; '.join(said)}{verdict}."


def markdown(report: dict) -> str:
    about = report["machine"]
    width = about["bandwidth_gb_s"]
    reads = ", ".join(f"{t}: {v['dram_median']}" for t, v in width.items() if t != "unit")
    family = "/".join(map(str, about["cpu_family_model_stepping"]))
    lines = [
        f"{about['date']}; {about['cpu']} (family/model/stepping {family}), {about['cores']} cores, {about['memory_gib']} GiB; "
        f"{' '.join(about['flags'])}{'; both sides at ' + about['level'] if 'level' in about else ''}; caches {about['caches']}; {about['peer']}.",
        f"DRAM read, GB/s by threads: {reads}. Medians of {report['rounds']} interleaved rounds of fresh processes, tok/s; "
        "ratios round by round against the bold peer variant, with their range.",
        quality_line(report),
        "",
    ]
    peers = [n for n in report["results"][0]["medians"] if n != "llmc"]
    head = ["what", "threads", "llmc", *peers, "ratio", "of the limit", "target", "others' CPUs"]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + [line(r) for r in report["results"]]) + "\n"


def plot(report: dict, path: pathlib.Path):
    """Ratio bars, one a case and thread count; the target as a tick."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [r for r in report["results"] if "ratio" in r]
    if not rows:
        raise SystemExit("nothing to plot: no engine was measured")
    figure, axes = plt.subplots(figsize=(8, 0.35 * len(rows) + 1.2), layout="constrained")
    at = range(len(rows))
    ratios = [r["ratio"] for r in rows]
    spread = [[r["ratio"] - r["ratio_min"] for r in rows], [r["ratio_max"] - r["ratio"] for r in rows]]
    axes.barh(at, ratios, xerr=spread, color="#4878a8", ecolor="#222222", capsize=2)
    axes.scatter([r["target"] or 1 for r in rows], at, marker="|", s=200, color="#c03030", zorder=3, label="target")
    axes.set_yticks(at, [f"{r['case']}, {r['threads']} thr." for r in rows])
    axes.axvline(1, color="#888888", linewidth=0.8)
    axes.invert_yaxis()
    axes.set_xlabel("llmc / llama.cpp's best (start: its time / ours)")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    args = parser.parse_args()
    loaded = json.loads(args.result.read_text())
    print(markdown(loaded))
    if args.plot:
        plot(loaded, args.plot)
