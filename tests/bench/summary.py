"""One table of several runs of side_by_side.py, and a check of their ratios against those of an earlier day.

Usage: summary.py RESULT.json... [--markdown FILE] [--golden FILE [--update | --some]]
Rounds of the same row in several files count together: on a busy host the ratios of one run's rounds differ by half. What memory gave to a
plain sum and when they ran is told for each file.
A golden file has a ratio for each row (weights, case, variant, threads, level) and one tolerance; a row that falls below its ratio by more than that, or that
only the runs or only the file has, ends the script with status 1, and so does a run in which llmc is further from exact math than llama.cpp, or
in which that was not measured.
--some: the runs are a part of the rows. --update writes the ratios of these runs into the file.
"""

import argparse
import json
import pathlib
import sys

import table
import targets
from inputs import read_json
from outcome import outcome

TOLERANCE = 0.25  # minutes apart the same row differs by this where memory is shared with other machines


def case_of(report: dict, result: dict) -> str:
    """Of an engine that is another variant of the weights, too: "prefill 512, activations bf16"."""
    return ", ".join(filter(None, (result["case"], report.get("variant"))))


def key(report: dict, result: dict) -> str:
    level = report["machine"].get("level", "best")
    return f"{report['weights']}, {case_of(report, result)}, {result['threads']} threads, {level}"


def pooled(reports: list[dict]) -> list[dict]:
    """Each row once, where it came first, with the rounds of all files; `when`: the times of their runs."""
    rows: dict[str, dict] = {}
    for report in reports:
        kept = []
        for result in report["results"]:
            name, when = key(report, result), report["machine"]["date"].split()[1]
            reads = report["machine"]["bandwidth_gb_s"][str(result["threads"])]["dram_median"]
            if name not in rows:
                rows[name] = result | {"when": [when], "reads": [reads]}
                kept.append(rows[name])
                continue
            first = rows[name]
            samples = {side: first["samples"][side] + more for side, more in result["samples"].items() if side in first["samples"]}
            first |= outcome(samples, first["unit"]) | {"when": first["when"] + [when], "reads": first["reads"] + [reads]}
        report["results"] = kept
    return reports


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
    cells = [report["weights"], case_of(report, result), result["threads"], table.number(result["medians"]["llmc"]), table.number(result["medians"][best]),
             best.removeprefix("llama.cpp "), ratio, share, bound, target + limit, verdict(result), ", ".join(map(str, result["reads"])),
             f"{result['others_cpus_median']:.1f}", ", ".join(result["when"])]
    return "| " + " | ".join(map(str, cells)) + " |"


def markdown(reports: list[dict]) -> str:
    head = ["weights", "what", "threads", "llmc", "llama.cpp", "which", "ratio", "of the limit", "ratio at the limit", "target", "", "reads, GB/s",
            "others' CPUs", "when"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += [row(report, result) for report in reports for result in report["results"]]
    said = {f"{', '.join(filter(None, (report['weights'], report.get('variant'))))}, {report['machine'].get('level', 'best')}: {table.quality_line(report)}": None for report in reports}
    return "\n".join([*lines, "", *said]) + "\n"


def fallen(ratios: dict, golden: dict, some: bool = False) -> list[str]:
    """Rows that fell, and those that only one side has. With `some` the runs need not have every row of the golden file."""
    least, known = 1 - golden["tolerance"], golden["ratios"]
    found = [f"{name}: {ratio:.2f}, was {known[name]:.2f}" for name, ratio in ratios.items() if name in known and ratio < known[name] * least]
    found += [f"{name}: {ratio:.2f}, the golden file has no such row; --update writes it" for name, ratio in ratios.items() if name not in known]
    if not some:
        found += [f"{name}: not in these runs, was {ratio:.2f}; --some leaves such rows out" for name, ratio in known.items() if name not in ratios]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=pathlib.Path, nargs="+")
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--golden", type=pathlib.Path)
    parser.add_argument("--some", action="store_true", help="rows of the golden file that these runs lack are no fault")
    parser.add_argument("--update", action="store_true", help="write the ratios into the golden file")
    args = parser.parse_args()
    reports = [read_json(parser, path) for path in args.results]
    for path, report in zip(args.results, reports, strict=True):
        if not isinstance(report, dict) or not {"machine", "weights", "results"} <= report.keys():
            parser.error(f"{path} is no result of side_by_side.py: expected an object with machine, weights and results")
    reports = pooled(reports)
    if args.golden and not args.update and not args.golden.exists():
        parser.error(f"{args.golden} is not there; --update writes it")
    text = markdown(reports)
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    if not args.golden:
        return 0
    ratios = {key(report, result): round(result["ratio"], 2) for report in reports for result in report["results"]}
    golden = read_json(parser, args.golden) if args.golden.exists() else {"tolerance": TOLERANCE, "ratios": {}}
    if args.update:
        golden["ratios"] |= ratios
        args.golden.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
        return 0
    worse = fallen(ratios, golden, args.some) + [
        f"{report['weights']}: {table.quality_line(report)}" for report in reports
        if "llmc" not in report.get("quality", {}) or not targets.quality_held(report["quality"])]
    print("\n".join(worse), file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
