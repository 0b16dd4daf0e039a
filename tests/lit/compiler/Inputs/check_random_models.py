"""Runs random models through the pipeline and compares what the interpreter computes before and after every pass.

    check_random_models.py --seeds 1-12,30 [--target cuda]         a line a seed; exit 1 when a value differs or a pass fails
    check_random_models.py --seeds 7                         replays one seed; fixtures/random_ir.py 7 prints its model
    check_random_models.py --seeds 1-12 --wrong eps          edits the IR between two passes; exit 1 unless each edit is noticed

Two comparisons a pass: with exact activations to the model as it was drawn; with activations and cache rounded as kernels round them
to the same, from llm-quantize on to what that pass gave: it alone may change them. The passes are the
driver's, read from its source: a new one is checked without a word here.
"""

import argparse
import pathlib
import random
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "fixtures"))
import random_ir

DIGITS, TOLERANCE = 11, 1e-9
BEFORE_SPLIT, AFTER_SPLIT = ["forward"], ["decode", "mixed"]
ARGMAX_TILE = {"cpu": 128, "cuda": 1024}
DIFFERENT = "DIFFERENT"  # what a comparison says; an edited text that does not even parse is a fault of the edit, not noticed
# In the place of a pass: the IR as it comes.
DRAWN, EDITED = "model", "edit"

# A wrong rewrite: the pass it stands behind, the text it looks for, what it makes of it.
TENSOR = r"(tensor<.*?>>)"
WRONG = {
    "eps": ("canonicalize", r"eps = [0-9.eE+-]+", "eps = 3.0e-6"),
    "rows": ("llm-fuse-horizontal", r'(#llm.source<"[^"]*(?:\.k|gate)", rows = (\d+)>), (#llm.source<"[^"]*(?:\.v|up)", rows = \2>)', r"\3, \1"),
    "rounding": ("llm-quantize", rf"%(\S+) = llm.quantize (%\S+) : \({TENSOR}\)",
                 r"%wrong_\1 = llm.round_rows \2 : (\3) -> \3\n %\1 = llm.quantize %wrong_\1 : (\3)"),
    "argmax": ("llm-insert-argmax", rf"(%\S+)( = llm.argmax )(%\S+)( .* : \({TENSOR}\))", r"%wrong = llm.scale \3 {factor = 0.99} : \5\n \1\2%wrong\4"),
    "window": ("llm-split-programs", r"window = [25] ", "window = 1 "),
    "layer": ("kern-dedup", r"(kern\.call @attend.*kv_layer = )1", r"\g<1>0")}


def driver_passes(root: pathlib.Path) -> list[str]:
    """The passes of the driver in their order, as their flags."""
    flags = dict(re.findall(r'^def (\w+) : \w+<"([\w-]+)">', (root / "passes/Passes.td").read_text(), re.M))
    flags |= {"CanonicalizerPass": "canonicalize", "CSEPass": "cse"}
    return [flags[name] for name in re.findall(r"addPass\(create(\w+)\(", (root / "compiler/pipeline/Phases.cpp").read_text())]


def driver_stages(root: pathlib.Path) -> list[tuple[str, list[str]]]:
    """Each pass with the functions that can be interpreted behind it."""
    passes = driver_passes(root)
    split = passes.index("llm-split-programs")
    # A plan has launches instead of functions: there is nothing to interpret, but it must come into being and be proven.
    return [(name, [] if name.startswith("plan-") else AFTER_SPLIT if i >= split else BEFORE_SPLIT) for i, name in enumerate(passes)]


STAGES = driver_stages(pathlib.Path(__file__).resolve().parents[4])


class Run:
    """One seed: its model, how it is built and evaluated, and what was found."""

    def __init__(self, seed: int, target: str):
        self.target = target
        self.shape, text = random_ir.random_model(seed)
        self.text = text.replace("module attributes {", f'module attributes {{llmc.target = "{target}", ', 1)
        rng = random.Random(f"run {seed}")
        scheme = rng.choice(["native", "native", "w16", "w8", "w4", "w4", "fp8"])
        activations = rng.choice(["auto", "auto", "int8", "f32"])
        self.quantize = f"scheme={scheme} activations={activations if target == 'cpu' else 'auto'}"
        if scheme == "w4" and rng.random() < 0.3:
            self.quantize += " group-size=128"
        self.tokens, self.sequences, self.all_rows = rng.choice([1, 3, 3, 17]), rng.choice([1, 2, 3]), rng.random() < 0.5
        past = rng.choice([0, 0, 70, 200])
        self.evaluate = (f"tokens={self.tokens} sequences={self.sequences} past={past} seed={seed} full=true digits={DIGITS} "
                         f"sample-all={str(self.all_rows).lower()}")
        self.exact, self.rounded, self.selected = None, None, False

    def about(self) -> str:
        return f"{' '.join(self.shape.tags())}; {self.quantize}; {self.evaluate.split(' seed')[0]}"

    def interpret(self, text: str, stages: list) -> tuple[str, list[list], str]:
        """(IR behind the stages, values of each evaluation that was reached, errors)."""
        steps = []
        for name, functions in stages:
            if name not in (DRAWN, EDITED):
                steps.append(f"llm-quantize{{{self.quantize}}}" if name == "llm-quantize" else name)
            steps += [f"llm-evaluate{{function={f} exact={exact} {self.evaluate}}}" for f in functions for exact in ("true", "false")]
        done = subprocess.run(["llmc-opt", f"--pass-pipeline=builtin.module({','.join(steps)})"], input=text, capture_output=True, text=True)
        values, printed = [], []
        for line in done.stdout.splitlines():
            if found := re.match(r"// \w+ step (\d) result (\d) \[", line):
                if found[1] == found[2] == "0":
                    values.append([])
                values[-1].append([])
            elif line.startswith("//  "):
                values[-1][-1].append([float(word) for word in line.split()[1:]])
            else:
                printed.append(line)
        errors = [line for line in done.stderr.splitlines() if "error:" in line]
        return "\n".join(printed), values, "" if done.returncode == 0 else "; ".join(errors) or f"exit status {done.returncode}"

    def expected(self, reference: list) -> list:
        """What the reference's steps are behind llm-insert-select-rows: the last row of each sequence where not all are asked for."""
        if self.all_rows or not self.selected:
            return reference
        ends = [sum(self.tokens + s for s in range(last + 1)) - 1 for last in range(self.sequences)]
        return [[reference[0][end] for end in ends], *reference[1:]]

    def compare(self, name: str, functions: list[str], values: list[list]) -> list[str]:
        """Names what differs behind pass `name`; the first evaluation of each kind becomes the reference."""
        if name == "llm-insert-select-rows":
            self.selected = True
        faults = []
        for index, evaluation in enumerate(values):
            function, exact = functions[index // 2], index % 2 == 0
            logits, best, tokens = evaluation, [], []
            if len(evaluation) == 4:
                logits, best = evaluation[::2], evaluation[1::2]
            if len(evaluation) == 6:
                logits, best, tokens = evaluation[::3], evaluation[1::3], evaluation[2::3]
            if self.exact is None and exact:
                self.exact = logits
            if not exact and (self.rounded is None or name == "llm-quantize"):
                self.rounded = logits
            off = difference(logits, self.expected(self.exact if exact else self.rounded))
            if best:
                off = max(off, difference(best, [[tops(row, ARGMAX_TILE[self.target]) for row in step] for step in logits]))
            if tokens:
                off = max(off, difference(tokens, [[[row.index(max(row))] for row in step] for step in logits]))
            if off > TOLERANCE:
                faults.append(f"{name} @{function} {'exact' if exact else 'rounded'}: {DIFFERENT} by {off:.2g}")
        return faults

    def through(self, stages: list, text: str, faults: list[str]) -> str:
        """Runs and compares the stages; returns the IR behind the last."""
        text, values, error = self.interpret(text, stages)
        for name, functions in stages:
            faults += self.compare(name, functions, values[:2 * len(functions)])
            if faults:  # what follows can only repeat it
                return ""
            if error and len(values) < 2 * len(functions):
                faults.append(f"{name}: {error}")
                return ""
            values = values[2 * len(functions):]
        if error:
            faults.append(f"plan: {error}")
        return text


def tops(row: list[float], width: int) -> list[float]:
    """Largest value of each tile, then the columns that have them."""
    tiles = [row[i : i + width] for i in range(0, len(row), width)]
    return [max(tile) for tile in tiles] + [width * i + tile.index(max(tile)) for i, tile in enumerate(tiles)]


def difference(found: list, expected: list) -> float:
    """The largest difference of two lists of steps of rows; infinite where shapes differ or a value is no number."""
    pairs = [(f, e) for found_step, expected_step in zip(found, expected) for f, e in zip(found_step, expected_step)]
    same_shape = [[len(row) for row in step] for step in found] == [[len(row) for row in step] for step in expected]
    largest = max((abs(a - b) for f, e in pairs for a, b in zip(f, e)), default=0.0)
    finite = all(abs(a) < 1e30 for f, _ in pairs for a in f)
    return largest if same_shape and finite and pairs else float("inf")


def check(seed: int, target: str, wrong: str) -> tuple[list[str], bool, Run]:
    """(faults, whether there was something to edit, the run)."""
    run, faults = Run(seed, target), []
    stages = [(DRAWN, BEFORE_SPLIT), *STAGES]
    if not wrong:
        run.through(stages, run.text, faults)
        return faults, False, run
    behind, pattern, replacement = WRONG[wrong]
    cut = [name for name, _ in stages].index(behind) + 1
    text = run.through(stages[:cut], run.text, faults)
    edited = re.sub(pattern, replacement, text)
    if faults or edited == text:
        return faults, False, run
    run.through([(EDITED, stages[cut - 1][1])], edited, faults)
    return faults, True, run


def span(text: str) -> range:
    """7 -> 7, 1-12 -> 1, 2, .. 12."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1-12", help="numbers and FIRST-LAST, with commas")
    parser.add_argument("--target", choices=["cpu", "cuda"], default="cpu", help="cuda has no layout for 5-bit and K types: an error")
    parser.add_argument("--wrong", choices=WRONG, default="", help="a rewrite to notice")
    options = parser.parse_args()
    seeds = [seed for part in options.seeds.split(",") for seed in span(part)]
    edited, noticed, failed, covered = 0, 0, 0, set()
    for seed in seeds:
        faults, applied, run = check(seed, options.target, options.wrong)
        covered |= set(run.shape.tags())
        edited, noticed, failed = edited + applied, noticed + (applied and bool(faults) and all(DIFFERENT in fault for fault in faults)), failed + bool(faults)
        print(f"seed {seed}: {'; '.join(faults) or ('not noticed' if applied else 'same')} ({run.about()})")
    if options.wrong:
        print(f"{options.wrong}: {noticed} of {edited} noticed")
        return int(edited == 0 or noticed < edited)
    print(f"covered: {' '.join(sorted(covered))}")
    print(f"{failed} of {len(seeds)} seeds failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
