"""Gives every pass of the project valid IR that is no program: it may refuse it with an error, it may not crash.

    check_any_ir.py        a line a pass that crashed; exit 1 then
"""

import re
import subprocess
import sys

KV = '!llm.kv<layers = 1, heads = 1, dim = 64, page = 16>'
# One module each: no function, empty ones, declarations, arguments and results that are no batch and no logits.
CASES = f"""
// -----
func.func @forward() {{ return }}
// -----
func.func private @forward(!llm.batch, {KV}) -> tensor<?x64xf32, #llm.dims<[S, 64]>>
// -----
func.func private @forward()
// -----
func.func @decode(%a: i32) -> i32 {{ return %a : i32 }}
// -----
func.func @decode(%a: i32) {{ return }}
// -----
func.func @forward(%a: !llm.batch) {{ return }}
// -----
func.func @forward(%a: !llm.batch, %b: {KV}) {{ return }}
// -----
func.func @forward(%a: !llm.batch, %b: i32) -> i32 {{ return %b : i32 }}
// -----
func.func @forward(%a: !llm.batch, %b: {KV}) -> !llm.batch {{ return %a : !llm.batch }}
// -----
func.func @forward(%a: tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>> {{
  return %a : tensor<?x64xf32, #llm.dims<[T, 64]>>
}}
// -----
func.func @forward(%a: tensor<?x64xf32, #llm.dims<[T, 64]>>) -> tensor<?x64xf32, #llm.dims<[T, 64]>> {{
  %0 = llm.add %a, %a : tensor<?x64xf32, #llm.dims<[T, 64]>>
  return %0 : tensor<?x64xf32, #llm.dims<[T, 64]>>
}}
// -----
func.func @forward(%a: !llm.batch, %b: tensor<?x64xf32, #llm.dims<[S, 64]>>) -> tensor<?x64xf32, #llm.dims<[S, 64]>> {{
  return %b : tensor<?x64xf32, #llm.dims<[S, 64]>>
}}
// -----
func.func @forward(%a: !llm.batch, %b: tensor<4xf32>) -> tensor<4xf32> {{ return %b : tensor<4xf32> }}
// -----
func.func @forward(%a: !llm.batch, %b: {KV}) -> i32 {{ llvm.unreachable }}
"""
VALID = CASES.split("// -----\n")


def own_passes() -> list[str]:
    told = subprocess.run(["llmc-opt", "--help"], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"^ +--((?:llm|kern|plan)-[\w-]+)", told, re.M)))


def run(flags: list[str], text: str) -> subprocess.CompletedProcess:
    return subprocess.run(["llmc-opt", "--split-input-file", *flags, "-"], input=text, capture_output=True, text=True)


def main() -> int:
    parsed = run([], CASES)
    if parsed.returncode:
        print("the cases must be valid IR:", parsed.stderr)
        return 1
    passes = own_passes()
    crashed = [name for name in passes if run([f"--{name}"], CASES).returncode not in (0, 1)]
    for name in crashed:
        for text in VALID:
            if run([f"--{name}"], text).returncode not in (0, 1):
                print(f"--{name} crashes on:\n{text}")
    print(f"{len(passes)} passes, {len(VALID)} modules, {len(crashed)} crashed")
    return int(bool(crashed) or len(passes) < 17)


sys.exit(main())
