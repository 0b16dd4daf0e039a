"""Sizes of files and functions: no file over 400 lines, no function over 60; prints the median and the largest.

Usage: tests/tools/size_report.py [--list N]     prints violations (and the N largest) and `N passed, N failed, N skipped`
Functions are found by shape: a line that opens a brace at the margin of a namespace or class and the line that closes it.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE_LINES, FUNCTION_LINES = 400, 60
CODE = (".h", ".cc", ".cpp", ".td", ".py", ".rs", ".sh", ".c")
# Not functions: what else opens a brace at the end of a line.
OTHER = re.compile(r"^\s*(namespace|struct|class|union|enum|extern|impl|mod|trait|#|//|\}|using|typedef|pub struct|pub enum|def \w+ ?:)"
                   r"|=\s*\{+$|^\s*(const|constexpr|static const|static constexpr) [^(]*\{+$")


def functions(lines: list[str], suffix: str):
    """(first line, count, text) of each function body in a file."""
    if suffix == ".py":
        yield from python_functions(lines)
        return
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.rstrip().endswith("{") and not OTHER.search(line):
            indent = len(line) - len(line.lstrip())
            start = number
            while start > 0 and lines[start - 1].strip() and not lines[start - 1].rstrip().endswith((";", "}", "{", ":")) and not lines[start - 1].lstrip().startswith(("//", "#", "template")):
                start -= 1  # a signature over several lines
            indent = min(indent, len(lines[start]) - len(lines[start].lstrip()))
            end = number + 1
            while end < len(lines) and not re.match(rf"^\s{{0,{indent}}}\}}", lines[end]):
                end += 1
            if "(" in "".join(lines[start : number + 1]):
                yield start + 1, end - start + 1, lines[start].strip()
                number = end
        number += 1


def python_functions(lines: list[str]):
    for number, line in enumerate(lines):
        match = re.match(r"^(\s*)(async )?def \w+", line)
        if match:
            end = number + 1
            while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > len(match[1]) or lines[end].startswith(match[1] + ")")):
                end += 1
            while not lines[end - 1].strip():
                end -= 1
            yield number + 1, end - number, line.strip()


def measure():
    """File lengths by path and function lengths by place."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files, bodies = {}, {}
    for path in listed:
        if not path.endswith(CODE) or not (ROOT / path).is_file():
            continue
        lines = (ROOT / path).read_text(errors="replace").splitlines()
        files[path] = len(lines)
        if path.endswith((".h", ".cc", ".cpp", ".rs", ".py", ".c")):
            for first, count, text in functions(lines, pathlib.Path(path).suffix):
                bodies[f"{path}:{first}: {text[:70]}"] = count
    return files, bodies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=int, default=0, metavar="N", help="also print the N largest files and functions")
    args = parser.parse_args()
    files, bodies = measure()
    for title, sizes, limit in (("file", files, FILE_LINES), ("function", bodies, FUNCTION_LINES)):
        ordered = sorted(sizes.items(), key=lambda item: -item[1])
        print(f"{len(sizes)} {title}s: median {statistics.median(sizes.values()):.0f} lines, longest {ordered[0][1]}, limit {limit}")
        for place, count in ordered:
            if count > limit:
                print(f"  too long: {count} lines: {place}")
        for place, count in ordered[: args.list]:
            print(f"  {count:4} {place}")
    failed = sum(n > FILE_LINES for n in files.values()) + sum(n > FUNCTION_LINES for n in bodies.values())
    print(f"{len(files) + len(bodies) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
