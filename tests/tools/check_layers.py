"""Checks the #include lines against the layer table: the runtime never sees the compile side, no cycles, no upward edge.

Usage: tests/tools/check_layers.py     prints one line a violation and `N passed, N failed, N skipped` (N counts include lines)
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A folder may include itself and what stands here. A new edge in the graph is a reviewed change to this table.
# The compile side sees of the runtime the file format (the bridge between the two), Status and limits; its driver also
# the device and the executor, to name this machine's CPU level and to print the memory formula of an engine.
MAY_INCLUDE = {
    "runtime/base": [],
    "runtime/format": ["runtime/base"],
    "runtime/device": ["runtime/base"],
    "runtime/text": ["runtime/base"],
    # The format for cuda_abi.h: what a device samples by is laid out there.
    "runtime/sample": ["runtime/base", "runtime/format"],
    "runtime/exec": ["runtime/base", "runtime/format", "runtime/device"],
    "runtime/kv": ["runtime/base", "runtime/format", "runtime/device", "runtime/exec"],
    "runtime/sched": ["runtime/base", "runtime/format", "runtime/device", "runtime/exec", "runtime/kv"],
    "runtime/server": ["runtime/base", "runtime/sample", "runtime/text"],
    # The device for its workers: rows are sampled on them.
    "runtime/serving": ["runtime/base", "runtime/format", "runtime/device", "runtime/exec", "runtime/kv", "runtime/sched", "runtime/sample", "runtime/server"],
    "runtime/main": ["runtime/base", "runtime/format", "runtime/device", "runtime/exec", "runtime/kv",
                     "runtime/sample", "runtime/text", "runtime/sched", "runtime/server", "runtime/serving"],
    "dialects/LLM": [],
    "dialects/Kern": ["dialects/LLM"],
    "dialects/Plan": ["dialects/LLM", "dialects/Kern"],
    "dialects/Reference": ["dialects/LLM", "dialects/Kern", "dialects/Plan"],
    "passes": ["dialects/LLM", "dialects/Kern", "dialects/Plan", "codegen/registry", "runtime/base", "runtime/format"],
    "codegen/cpu/Level": [],  # instruction sets as data: beneath the registry, whose choices depend on them
    "codegen/registry": ["codegen/cpu/Level", "dialects/LLM", "dialects/Kern", "runtime/base", "runtime/format"],
    # Passes.td declares the passes that lower kernels; the families are what they do.
    "codegen/cpu": ["passes", "codegen/cpu/Level", "dialects/LLM", "dialects/Kern", "codegen/registry", "runtime/base", "runtime/format"],
    "codegen/cuda": ["passes", "dialects/LLM", "dialects/Kern", "codegen/registry", "runtime/base", "runtime/format"],
    "compiler/models": [],
    "compiler/import": ["compiler/models", "runtime/base", "runtime/format"],
    "compiler/graph": ["dialects/LLM", "compiler/import", "compiler/models", "passes", "runtime/base", "runtime/format"],
    "compiler/engine": ["compiler/import", "codegen/registry", "dialects/LLM", "runtime/base", "runtime/format"],
    # Runs generated code that no engine holds yet.
    "compiler/tune": ["codegen/registry", "codegen/cpu", "codegen/cpu/Level", "codegen/cuda", "dialects/LLM", "dialects/Kern", "runtime/base", "runtime/format",
                      "runtime/device"],
    # Runs engines: the one part of the compile side that stands on the runtime.
    "compiler/quality": ["runtime/base", "runtime/format", "runtime/device", "runtime/exec", "runtime/kv", "runtime/text"],
    "compiler/pipeline": ["compiler/import", "compiler/models", "compiler/graph", "compiler/engine", "compiler/quality", "runtime/device", "passes", "codegen/registry",
                          "codegen/cpu", "codegen/cpu/Level", "codegen/cuda", "dialects/LLM", "dialects/Kern", "dialects/Plan", "dialects/Reference",
                          "runtime/base", "runtime/format"],
    "compiler/tools": ["compiler/tune", "compiler/import", "compiler/models", "compiler/engine", "compiler/pipeline", "passes",
                       "codegen/registry", "codegen/cpu", "codegen/cpu/Level", "codegen/cuda", "dialects/LLM", "dialects/Kern",
                       "dialects/Plan", "dialects/Reference", "runtime/base", "runtime/format", "runtime/device", "runtime/exec"],
}
TOP = ("runtime", "dialects", "passes", "codegen", "compiler")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]')


def folder_of(path: str) -> str | None:
    """The entry of the table that a path belongs to; the longest one wins. An entry may be a pair of .h and .cpp."""
    parts = re.sub(r"\.(h|cpp|cc)$", "", path).split("/")
    for count in (3, 2, 1):
        if "/".join(parts[:count]) in MAY_INCLUDE:
            return "/".join(parts[:count])
    return None


def table_has_cycle() -> str | None:
    state: dict[str, int] = {}

    def visit(folder: str) -> str | None:
        if state.get(folder) == 1:
            return folder
        if folder in state:
            return None
        state[folder] = 1
        found = next(filter(None, map(visit, MAY_INCLUDE[folder])), None)
        state[folder] = 2
        return found

    return next(filter(None, map(visit, MAY_INCLUDE)), None)


def fault(path: str, header: str) -> str | None:
    """Why this file may not include this header, or None."""
    if path.startswith("runtime/") and header.startswith(("mlir/", "llvm/", "clang/")):
        return "the runtime must not include MLIR or LLVM"
    own, other = folder_of(path), folder_of(header)
    if own is None:
        return f"{path.rsplit('/', 1)[0]} is not in the layer table"
    if header.split("/")[0] in TOP and other is None:
        return f"{header} is in no folder of the layer table"
    if header.startswith("tests/"):
        return "sources must not include tests"
    if other and other != own and other not in MAY_INCLUDE[own]:
        return f"{own} must not include {other}"
    return None


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "--", *TOP], cwd=ROOT, capture_output=True, text=True, check=True)
    passed = failed = 0
    cycle = table_has_cycle()
    if cycle:
        print(f"the layer table has a cycle through {cycle}")
        failed += 1
    for path in listed.stdout.split():
        if not path.endswith((".h", ".cc", ".cpp", ".td")) or not (ROOT / path).exists():
            continue
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            reason = fault(path, match[1])
            if reason:
                print(f"{path}:{number}: {match[1]}: {reason}")
                failed += 1
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
