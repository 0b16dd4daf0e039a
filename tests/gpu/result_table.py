"""The table of a result, for people. Usage: python3 tests/gpu/result_table.py RESULT.json: also of a run that was cut."""

import json
import pathlib
import sys

import target_rows


def shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "%":
        return f"{value:.0%}"
    if unit == "x":
        return f"{value:.2f}x"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def rows(result: dict, part: str) -> dict:
    """What a part found; none where it was skipped."""
    return {name: made for name, made in result.get(part, {}).items() if isinstance(made, dict) and "skipped" not in made}


def targets_table(result: dict) -> list[str]:
    lines = ["| target | measured | must | aim | |", "| --- | --- | --- | --- | --- |"]
    for row in target_rows.rows(result):
        goal = [("<= " if row.target.less else ">= ") + shown(one, row.target.unit) if one is not None else "" for one in (row.target.must, row.target.aim)]
        lines.append(f"| {row.target.what} | {shown(row.measured, row.target.unit)} | {goal[0]} | {goal[1]} | {row.verdict()} |")
    return lines


def numbers_table(result: dict) -> list[str]:
    lines = ["| model | mean KL | tokens |", "| --- | --- | --- |"]
    lines += [f"| {n['model']} {n['scheme']} | {n.get('mean_kl', float('nan')):.1e} | {n.get('equal_tokens', '')} |" for n in rows(result, "numbers").values()]
    kernels = result.get("kernels", {})
    return [*lines, "", f"kernel cases: {kernels.get('cases', kernels.get('skipped'))}"]


def speed_table(result: dict) -> list[str]:
    lines = ["| engine | workload | load ms, made up | ttft ms | prefill tok/s | decode tok/s | of the copy beside it |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for part in ("speed", "long"):
        for name, workloads in rows(result, part).items():
            for what, made in workloads.items():
                if "skipped" in made:
                    continue
                best = made["best"]
                lines.append(f"| {name} | {what} | {made['load_ms']:.0f} | {best['ttft_ms']:.2f} | {best['prefill_tokens_per_s']:.0f} | "
                             f"{best['decode_tokens_per_s']:.1f} | {best['bandwidth_share']:.0%} |")  # fmt: skip
    return lines


def attention_table(result: dict) -> list[str]:
    """A layer; torch's cache has no pages."""
    lines = ["| attention alone, a layer | us | GB/s | pages in order, us | torch, us | FlashAttention of torch, us |", "| --- | --- | --- | --- | --- | --- |"]
    beside = result.get("torch", {}).get("attention", {})
    for name, found in rows(result, "attention").items():
        for load, made in found.items():
            if not isinstance(made, dict):
                continue
            torch = beside.get(load, {})
            peer = [f"{torch[key] * 1e3:.1f}" + (f" ({torch['by']})" if key == "ms" else "") if key in torch else "" for key in ("ms", "flash_ms")]
            lines.append(f"| {name}, {load} | {made['us']:.1f} | {made['gb_per_s']:.0f} | {made.get('us_pages_in_order', float('nan')):.1f} | {peer[0]} | {peer[1]} |")
    return lines


def served_table(result: dict) -> list[str]:
    lines = ["| served | requests at once | output tok/s | median ttft ms | median tpot ms | step us | host us |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, made in rows(result, "serving").items():
        host = made.get("host", {})
        times = [f"{host[key]:.0f}" if key in host else host.get("skipped", "") for key in ("step_us", "host_us")]
        lines.append(f"| {name} | {made['requests']} | {made['output_throughput']:.0f} | {made['median_ttft_ms']:.1f} | {made['median_tpot_ms']:.2f} | {times[0]} | {times[1]} |")
    return lines


def table(result: dict) -> str:
    lines = [f"{result['machine']['date']}  {result['machine']['gpu']}"]
    if "before" in result:
        lines.append(f"with what was measured on {result['before']['date']}")
    for part in (targets_table, numbers_table, speed_table, attention_table, served_table):
        lines += ["", *part(result)]
    lines += [""] + [f"{part}: {json.dumps(result.get(part))}" for part in ("torch", "load", "transformers", "sanitizer")]
    return "\n".join(lines + [f"FAILED {one}" for one in result["failures"]] + [f"{result['seconds']:.0f} s"])


if __name__ == "__main__":
    print(table(json.loads(pathlib.Path(sys.argv[1]).read_text())))
