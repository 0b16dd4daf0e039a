"""Compares tests with sources path by path: fails for a source without a test, and for a test without a source.

Usage: tests/tools/check_mirror.py
A source's test has its name, whole or before an aspect:
  runtime/kv/block_pool.cc -> tests/unit/runtime/kv/block_pool_test.cc; codegen/cpu/Level.cpp -> tests/unit/codegen/cpu/**/level_test.cc, level_ASPECT_test.cc
  what is only seen in a program -> tests/lit/compiler/tools/build_command*.test, tests/e2e/serve_test.py (of runtime/main)
  passes/FormKernels.cpp -> tests/lit/passes/form_kernels/*.mlir, codegen/cpu/LowerCpu.cpp -> tests/lit/passes/lower_cpu/
  an op `llm.glu` -> tests/lit/dialects/LLM/glu/: roundtrip.mlir, invalid.mlir, eval.mlir where the reference interpreter runs the dialect, and
  fold.mlir when, and only when, its .td says hasFolder or hasCanonicalize...
Sources that are parts of one unit, behind the one that others include, may share its test. It names them in its first comment,
`Tests: A.cpp, B.cpp.`, and has to reach each: what A.cpp defines is named in the test, or in a source of the same folder that the test reaches.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ("runtime", "codegen", "compiler")
SUFFIXES = (".cc", ".cpp")


def snake(name: str) -> str:
    """FormKernels -> form_kernels, KVCache -> kv_cache, llmc-opt -> llmc_opt."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().replace("-", "_")


def tracked(*folders: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *folders], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout.split()
    return [path for path in listed if (ROOT / path).exists()]


def key_of(path: str) -> tuple[str, str]:
    """The top two folders of a source, as deeper ones only sort files of one part, and its name as tests spell it."""
    return "/".join(path.split("/")[:-1][:2]), snake(pathlib.Path(path).stem)


def owner_of(test: tuple[str, str], sources: set) -> tuple[str, str] | None:
    """The source that `test` has the name of, whole or before an aspect: the longest."""
    folder, words = test[0], test[1].split("_")
    names = [(folder, "_".join(words[:n])) for n in range(len(words), 0, -1)]
    return next((name for name in names if name in sources), None)


def test_key(path: str) -> tuple[str, str] | None:
    """Which source a test file would be the test of; none for files that are no tests."""
    if path.startswith("tests/unit/") and path.endswith("_test.cc"):
        return key_of(path.removeprefix("tests/unit/").removesuffix("_test.cc"))
    if path.startswith("tests/lit/") and path.endswith((".test", ".mlir")):
        return key_of(path.removeprefix("tests/lit/"))
    if path.startswith("tests/e2e/") and path.endswith("_test.py"):
        return "runtime/main", pathlib.Path(path).stem.removesuffix("_test")
    return None


def first_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("//"):
            break
        lines.append(line.removeprefix("//").strip())
    return " ".join(lines)


def named_parts(text: str) -> list[str]:
    """Files after `Tests:` in a test's first comment."""
    found = re.search(r"\bTests: ([\w., -]+?\.(?:cpp|cc))\.(?:\s|$)", first_comment(text))
    return re.split(r",\s*", found[1]) if found else []


def without_anonymous(text: str) -> str:
    """Source text without what no other file can name."""
    return re.sub(r"^namespace \{\n.*?^\}\s+// (?:anonymous )?namespace\n", "", text, flags=re.M | re.S)


def defined_in(path: str) -> set[tuple[str, ...]]:
    """Names that others call a source by: of functions, of constants, and of members together with their class."""
    names = set()
    for match in re.finditer(r"^(?!static\b|using\b|return\b|#|//|\s|\})[^;={(\n]*?\b((?:\w+::)*~?\w+)(?:\(| = |\{)", without_anonymous((ROOT / path).read_text()), re.M):
        parts = tuple(part for part in match[1].split("::") if part not in ("llmc", "rt"))
        if parts and not parts[-1].startswith("~") and len(parts[-1]) > 2:
            names.add(parts)
    return names


def words_of(*paths: str) -> set[str]:
    return {word for path in paths if (ROOT / path).exists() for word in re.findall(r"\w+", (ROOT / path).read_text())}


def with_header(path: str) -> tuple[str, str]:
    return path, str(pathlib.Path(path).with_suffix(".h"))


def reached(test: str, folder: pathlib.Path) -> set[str]:
    """Sources of `folder` that define what the test, its own headers or a source that it reaches name."""
    included = re.findall(r'#include "(tests/unit/[^"]+)"', (ROOT / test).read_text())
    words, found = words_of(test, *included, *(h.removesuffix(".h") + ".cc" for h in included)), set()
    near = {path: defined_in(path) for path in tracked(str(folder)) if path.endswith(SUFFIXES) and pathlib.Path(path).parent == folder}
    while fresh := [p for p, names in near.items() if p not in found and any(words.issuperset(name) for name in names)]:
        found.update(fresh)
        words |= words_of(*(file for path in fresh for file in with_header(path)))
    return found


def shared_parts(sources: dict[tuple[str, str], str], tested: set) -> tuple[set, list[str]]:
    """Sources that the test of another one names and reaches, and what is wrong with such names."""
    parts, wrong = set(), []
    for test in tracked("tests/unit"):
        names = named_parts((ROOT / test).read_text()) if test.endswith("_test.cc") else []
        for name in names:
            key = (test_key(test)[0], snake(pathlib.Path(name).stem))
            if key not in sources or pathlib.Path(sources[key]).name != name:
                wrong.append(f"{test}: names {name}, which is no source of {key[0]}")
            elif key in tested:
                wrong.append(f"{test}: names {name}, which has a test of its own")
            elif sources[key] not in reached(test, pathlib.Path(sources[key]).parent):
                wrong.append(f"{test}: names {name}, but reaches nothing that it defines")
            else:
                parts.add(key)
    return parts, wrong


def passes_of() -> set[str]:
    return {snake(name) for name in re.findall(r'^def\s+(\w+)\s*:\s*\w*Pass<"', (ROOT / "passes/Passes.td").read_text(), re.M)}


def unit_gaps() -> tuple[list[str], list[str], int, int]:
    """Sources without a test, tests without a source or with a wrong claim, sources with a test of their name, with one that they share."""
    sources = {key_of(p): p for p in tracked(*SOURCES) if p.endswith(SUFFIXES)}
    headers = {key_of(p) for p in tracked(*SOURCES) if p.endswith(".h")}
    folders = {p.split("/")[3] for p in tracked("tests/lit/passes") if p.count("/") > 3}
    owners = {path: owner_of(key, sources.keys() | headers) for path in tracked("tests/unit", "tests/lit/compiler", "tests/e2e") if (key := test_key(path))}
    tested = set(owners.values()) & sources.keys()
    tested |= {key for key in sources if key[1] in passes_of() & folders}
    parts, wrong = shared_parts(sources, tested)
    untested = [path for key, path in sources.items() if key not in tested | parts and not path.endswith("/main.cc")]
    homeless = [path for path, owner in owners.items() if not owner and path.startswith("tests/unit/") and not path.startswith(("tests/unit/dialects", "tests/unit/passes"))]
    return untested, homeless + wrong, len(tested), len(parts)


def ops_of(text: str) -> list[tuple[str, bool]]:
    """Mnemonic of each op that a .td defines, and whether the op is folded or canonicalized."""
    found = []
    for part in re.split(r"^(?=def |class )", text, flags=re.M):
        if match := re.match(r'def\s+\w+Op\s*:\s*\w+<"(\w+)"', part):
            found.append((match[1], bool(re.search(r"\blet hasFolder = 1|\blet hasCanonicaliz\w+ = 1", part))))
    return found


def is_evaluated(dialect: str) -> bool:
    """Whether the reference interpreter runs a dialect's ops. Plan's say when and where, and the runtime reads them."""
    text = "".join(p.read_text() for p in (ROOT / "dialects/Reference").glob("*.*"))
    return f'#include "dialects/{dialect}/' in text


def op_gaps(source: str, folder: str, folds: bool, evaluated: bool, files: set[str]) -> list[str]:
    """What an op's folder lacks, and a fold test of an op that has no folder."""
    kinds = ("roundtrip", "invalid", *(["eval"] if evaluated else []), *(["fold"] if folds else []))
    missing = [f"{source}/{kind}" for kind in kinds if f"{folder}/{kind}.mlir" not in files]
    return missing + ([f"{source}/fold-without-a-folder"] if not folds and f"{folder}/fold.mlir" in files else [])


def lit_gaps() -> tuple[list[str], int]:
    """Passes without a folder of lit tests, ops without one of their tests, and how many passes and ops have all."""
    files = {p for p in tracked("tests/lit") if p.endswith((".mlir", ".test"))}
    folders = {str(pathlib.Path(p).parent) for p in files}
    gaps = {f"passes/Passes.td:{name}": [] if f"tests/lit/passes/{name}" in folders else [f"passes/Passes.td:{name}"] for name in passes_of()}
    for path in tracked("dialects"):
        if path.endswith(".td"):
            dialect = path.split("/")[1]
            for name, folds in ops_of((ROOT / path).read_text()):
                gaps[f"{path}:{name}"] = op_gaps(f"{path}:{name}", f"tests/lit/dialects/{dialect}/{name}", folds, is_evaluated(dialect), files)
    return [gap for of_one in gaps.values() for gap in of_one], sum(not of_one for of_one in gaps.values())


def main() -> int:
    untested, homeless, pairs, parts = unit_gaps()
    no_lit, lit_found = lit_gaps()
    for path in sorted(untested + no_lit):
        print(f"{path}: no test; write one of its name, or let the test of the source that it is a part of name it: the head of {pathlib.Path(__file__).name} says how")
    for path in sorted(homeless):
        print(path if ": " in path else f"{path}: no source of its name")
    failed = len(untested) + len(no_lit) + len(homeless)
    print(f"{pairs + parts + lit_found} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
