"""Draws where each second of a decode step and of a prefill goes, from `llmc-run ENGINE --bench --profile --json`.

Usage: tests/bench/plot_profile.py PROFILE.json -o OUT.svg       (matplotlib is needed: pip install matplotlib==3.11.2)
A bar a kind of step: products by what they compute, attention, the rest of the kernels, waiting at barriers, idle between steps. Under each
name stands its share, and the share of the limit (read bandwidth, int8, f32 or bf16 operations, measured in the same run) that it reaches.
"""

import argparse
import pathlib
import sys

from inputs import read_json

# Name in the chart, word in the kernel's origin, colour. The first row that matches.
PARTS = [
    ("head", "head", "#7b5ea7"),
    ("gate, up", "mlp.gate_up", "#2f6db3"),
    ("down", "mlp.down", "#5b9bd5"),
    ("q, k, v", "attention.q_k_v", "#2e8b57"),
    ("attention out", "attention.o", "#7bc096"),
    ("attention", "attention.attend", "#e0a030"),
]
OTHER, BARRIER, IDLE = ("norms, embedding", "#b5b5b5"), ("barriers", "#d9534f"), ("between steps", "#4a4a4a")


def part_of(kernel: dict) -> tuple[str, str]:
    """Label and colour. A kernel that computes several things is named after its product, as that is what takes its time."""
    if kernel["family"] == "attend":
        return PARTS[-1][0], PARTS[-1][2]
    if kernel["family"] == "linear":
        for label, word, colour in PARTS:
            if word in kernel["origin"]:
                return label, colour
    return OTHER


def slices(steps: dict) -> list[tuple[str, str, float, float | None]]:
    """(label, colour, share of the time, share of the limit) in the order of PARTS."""
    sums: dict[str, list] = {}
    for kernel in steps["kernels"]:
        label, colour = part_of(kernel)
        entry = sums.setdefault(label, [colour, 0.0, 0.0, 0.0])
        entry[1] += kernel["share"]
        if "of_limit" in kernel:
            entry[2] += kernel["of_limit"] * kernel["share"]
            entry[3] += kernel["share"]
    order = [label for label, _, _ in PARTS[1:] + PARTS[:1]] + [OTHER[0]]
    rows = [(label, sums[label][0], sums[label][1], sums[label][2] / sums[label][3] if sums[label][3] else None)
            for label in order if label in sums]
    return rows + [(*BARRIER, steps["barrier_share"], None), (*IDLE, steps["idle_share"], None)]


def draw(profile: dict, out: pathlib.Path) -> None:
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "llmc"  # the same bytes for the same numbers
    import matplotlib.pyplot as plt

    kinds = [("decode", profile["profile"]["decode"], "decode: {us:.0f} us a token"),
             ("prefill", profile["profile"]["prefill"], "prefill of {tokens} tokens: {us:.1f} ms")]
    figure, axes = plt.subplots(len(kinds), 1, figsize=(9, 3.9))
    for axis, (name, steps, title) in zip(axes, kinds):
        left, outside = 0.0, 0  # labels beside their slices go up and down, so that neighbours' do not meet
        for label, colour, share, limit in slices(steps):
            axis.barh(0, share, left=left, color=colour, edgecolor="white", linewidth=0.6)
            text = f"{label}\n{share:.0%}" + (f"\n({limit:.0%} of limit)" if limit is not None and share > 0.09 else "")
            if share > 0.075:
                axis.text(left + share / 2, 0, text, ha="center", va="center", fontsize=7.5,
                          color="white" if colour != OTHER[1] else "black")
            elif share > 0.004:
                outside += 1
                axis.annotate(f"{label} {share:.1%}", (left + share / 2, 0.4), (left + share / 2, 0.74 - outside % 2 * 0.2), fontsize=6.5, ha="right",
                              arrowprops={"arrowstyle": "-", "linewidth": 0.5})
            left += share
        us = steps["us_per_step"]
        axis.set_title(title.format(us=us if name == "decode" else us * steps["steps"] / len(profile["repeats"]) / 1e3,
                                    tokens=profile["prompt_tokens"]), fontsize=9.5, loc="left", pad=16)
        axis.set_xlim(0, 1)
        axis.set_ylim(-0.4, 0.76)
        axis.axis("off")
    limits = profile["profile"]["limits"]
    figure.text(0.5, 0.01, f"{profile['model']} ({profile['scheme']}), {profile['cpu']}, {profile['threads']} threads; limits of the same "
                f"run: reads {limits['read_gb_per_s']:.0f} GB/s, int8 {limits['int8_gop_per_s']:.0f} GOP/s", ha="center", fontsize=6.5)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(out, metadata={"Date": None} if out.suffix == ".svg" else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("profile", type=pathlib.Path)
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    flags = parser.parse_args()
    profile = read_json(parser, flags.profile)
    if "profile" not in profile:
        print(f"{flags.profile}: no profile in it; made without --profile?", file=sys.stderr)
        return 65
    draw(profile, flags.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
