"""Compares tests with sources path by path: a source without a test, or a test without a source, must stand in the allowlist.

Usage: tests/tools/check_mirror.py [--list]     --list prints every gap, allowed or not
runtime/kv/block_pool.cc -> tests/unit/runtime/kv/block_pool_test.cc; codegen/cpu/Level.cpp -> tests/unit/codegen/cpu/**/level_test.cc, level_ASPECT_test.cc;
passes/FormKernels.cpp -> tests/lit/passes/form_kernels/*.mlir; an op `llm.glu` -> tests/lit/dialects/LLM/glu/ with
roundtrip.mlir, invalid.mlir and eval.mlir, and fold.mlir when, and only when, its .td says hasFolder or hasCanonicalize....
The allowlist is mirror_allow.txt beside this script: `PATTERN  FILE`, where FILE is what tests it (or what it tests) instead
and must exist.
"""

import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ALLOW = pathlib.Path(__file__).with_name("mirror_allow.txt")


def snake(name: str) -> str:
    """FormKernels -> form_kernels, KVCache -> kv_cache."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def tracked(*folders: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *folders], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.split()
    return [path for path in listed if (ROOT / path).exists()]


def unit_folder(path: str) -> str:
    """Top two folders of a source or test; deeper ones only sort files of one part."""
    return "/".join(path.split("/")[:-1][:2])


def owner_of(test: tuple[str, str], sources: set) -> tuple[str, str] | None:
    """The source that `test` has the name of, whole or before an aspect: the longest."""
    folder, words = test[0], test[1].split("_")
    names = [(folder, "_".join(words[:n])) for n in range(len(words), 0, -1)]
    return next((name for name in names if name in sources), None)


def unit_gaps() -> tuple[list[str], list[str], int]:
    """Sources without a unit test, unit tests without a source, pairs that exist."""
    sources = {(unit_folder(p), snake(pathlib.Path(p).stem)): p
               for p in tracked("runtime", "codegen", "compiler") if p.endswith((".cc", ".cpp"))}
    headers = {(unit_folder(p), snake(pathlib.Path(p).stem)) for p in tracked("runtime", "codegen", "compiler") if p.endswith(".h")}
    tests = {}
    for path in tracked("tests/unit"):
        if path.endswith("_test.cc"):
            inner = path.removeprefix("tests/unit/")
            tests[(unit_folder(inner), pathlib.Path(inner).stem.removesuffix("_test"))] = path
    owners = {key: owner_of(key, sources.keys() | headers) for key in tests}
    tested = set(owners.values()) & sources.keys()
    untested = [path for key, path in sources.items() if key not in tested and not path.endswith("/main.cc")]
    homeless = [path for key, path in tests.items() if not owners[key] and not key[0].startswith(("dialects", "passes"))]
    return untested, homeless, len(tested)


def ops_of(text: str) -> list[tuple[str, bool]]:
    """Mnemonic of each op that a .td defines, and whether the op is folded or canonicalized."""
    found = []
    for part in re.split(r"^(?=def |class )", text, flags=re.M):
        if match := re.match(r'def\s+\w+Op\s*:\s*\w+<"(\w+)"', part):
            found.append((match[1], bool(re.search(r"\blet hasFolder = 1|\blet hasCanonicaliz\w+ = 1", part))))
    return found


def op_gaps(source: str, folder: str, folds: bool, files: set[str]) -> list[str]:
    """What an op's folder lacks, and a fold test of an op that has no folder."""
    missing = [f"{source}/{kind}" for kind in ("roundtrip", "invalid", "eval", *(["fold"] if folds else [])) if f"{folder}/{kind}.mlir" not in files]
    return missing + ([f"{source}/fold-without-a-folder"] if not folds and f"{folder}/fold.mlir" in files else [])


def lit_gaps() -> tuple[list[str], int]:
    """Passes without a folder of lit tests, ops without one of their tests, and how many passes and ops have all."""
    files = {p for p in tracked("tests/lit") if p.endswith((".mlir", ".test"))}
    folders = {str(pathlib.Path(p).parent) for p in files}
    passes = re.findall(r'^def\s+(\w+)\s*:\s*\w*Pass<"', (ROOT / "passes/Passes.td").read_text(), re.M)
    gaps = {f"passes/Passes.td:{name}": [] if f"tests/lit/passes/{snake(name)}" in folders else [f"passes/Passes.td:{name}"] for name in passes}
    for path in tracked("dialects"):
        if path.endswith(".td"):
            for name, folds in ops_of((ROOT / path).read_text()):
                source = f"{path}:{name}"
                gaps[source] = op_gaps(source, f"tests/lit/dialects/{path.split('/')[1]}/{name}", folds, files)
    return [gap for of_one in gaps.values() for gap in of_one], sum(not of_one for of_one in gaps.values())


def read_allowlist() -> tuple[list[str], list[str]]:
    """Patterns, and lines whose file does not exist."""
    rows = [line.split() for line in ALLOW.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return [row[0] for row in rows], [" ".join(row) for row in rows if len(row) != 2 or not (ROOT / row[1]).exists()]


def main() -> int:
    patterns, broken = read_allowlist()
    untested, homeless, pairs = unit_gaps()
    no_lit, lit_found = lit_gaps()
    gaps = {**{p: "no test" for p in untested + no_lit}, **{p: "no source" for p in homeless}}
    fresh = sorted(p for p in gaps if not any(fnmatch.fnmatch(p, pattern) for pattern in patterns))
    for path in sorted(gaps) if "--list" in sys.argv[1:] else fresh:
        print(f"{path}: {gaps[path]}")
    for line in broken:
        print(f"{ALLOW.name}: no such file: {line}")
    for pattern in patterns:
        if not fnmatch.filter(gaps, pattern):
            print(f"note: {pattern} has a mirror now: take it out of {ALLOW.name}")
    print(f"{pairs + lit_found} passed, {len(fresh) + len(broken)} failed, {len(gaps) - len(fresh)} skipped")
    return 1 if fresh or broken else 0


if __name__ == "__main__":
    sys.exit(main())
