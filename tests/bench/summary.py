"""One table of several runs of side_by_side.py, and a check of their ratios against those of an earlier day.

Usage: summary.py RESULT.json... [--markdown FILE] [--golden FILE [--update]]
A golden file has a ratio for each row (weights, case, threads, level) and one tolerance; a row that falls below its ratio by more than that ends
the script with status 1. --update writes the ratios of these runs into it.
"""

import argparse
import json
import pathlib
import sys

import table
import targets

TOLERANCE = 0.25  # minutes apart the same row differs by this where memory is shared with other machines


def key(report: dict, result: dict) -> str:
    level = report["machine"].get("level", "best")
    return f"{report['weights']}, {result['case']}, {result['threads']} threads, {level}"


def verdict(result: dict) -> str:
    """met, or what is missed."""
    missed = [] if not result["target"] or result["ratio"] >= result["target"] else ["ratio"]
    if result.get("limit_target") and result["of_limit"] < result["limit_target"]:
        missed.append("share")
    if result["unit"] == "ms" and result["medians"]["llmc"] > targets.FIRST_LIMIT_MS:
        missed.append("time")
    if not result["target"] and not result.get("limit_target"):
        return "-"
    return "missed: " + " and ".join(missed) if missed else "met"


def row(report: dict, result: dict) -> str:
    best = result["best_peer"]
    ratio = f"{result['ratio']:.2f} ({result['ratio_min']:.2f}-{result['ratio_max']:.2f})"
    share = f"{result['of_limit']:.0%}" if "of_limit" in result else "-"
    # several sequences share what is read: the bandwidth alone is not their limit
    bound = f"{result['ratio'] / result['of_limit']:.1f}" if "of_limit" in result and "sequences" not in result["case"] else "-"
    target = f"{result['target']}x" if result["target"] else "-"
    limit = f", {result['limit_target']:.0%}" if result.get("limit_target") else ""
    reads = report["machine"]["bandwidth_gb_s"][str(result["threads"])]["dram_median"]
    cells = [report["weights"], result["case"], result["threads"], table.number(result["medians"]["llmc"]), table.number(result["medians"][best]),
             best.removeprefix("llama.cpp "), ratio, share, bound, target + limit, verdict(result), reads,
             f"{result['others_cpus_median']:.1f}", report["machine"]["date"].split()[1]]
    return "| " + " | ".join(map(str, cells)) + " |"


def markdown(reports: list[dict]) -> str:
    head = ["weights", "what", "threads", "llmc", "llama.cpp", "which", "ratio", "of the limit", "ratio at the limit", "target", "", "reads, GB/s",
            "others' CPUs", "when"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + [row(report, result) for report in reports for result in report["results"]]) + "\n"


def fallen(ratios: dict, golden: dict) -> list[str]:
    least = 1 - golden["tolerance"]
    return [f"{name}: {ratio:.2f}, was {golden['ratios'][name]:.2f}" for name, ratio in ratios.items()
            if name in golden["ratios"] and ratio < golden["ratios"][name] * least]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path, nargs="+")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--update", action="store_true", help="write the ratios into the golden file")
    args = parser.parse_args()
    reports = [json.loads(path.read_text()) for path in args.results]
    text = markdown(reports)
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    if not args.golden:
        return 0
    ratios = {key(report, result): round(result["ratio"], 2) for report in reports for result in report["results"]}
    golden = json.loads(args.golden.read_text()) if args.golden.exists() else {"tolerance": TOLERANCE, "ratios": {}}
    if args.update:
        golden["ratios"] |= ratios
        args.golden.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
        return 0
    worse = fallen(ratios, golden)
    print("\n".join(worse), file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
