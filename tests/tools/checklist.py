"""Measures the fifteen points of the quality checklist and prints them as the table that CHECKLIST.md holds.

Usage: tests/tools/checklist.py [--write | --check]
  --write  replaces tests/tools/CHECKLIST.md
  --check  fails for a point that is missed, and where the committed table says something else: another verdict, and of points that every one
           of something has to meet also what is counted and what is named as missing. Not the date, nor numbers that any change moves.
The point that needs judgement keeps the words of BY_HAND, with the date it was last looked at.
"""

import datetime
import pathlib
import re
import statistics
import subprocess
import sys

import api_units
import check_mirror
import size_report

ROOT = size_report.ROOT
BY_HAND = {
    13: "family: 1 new file; op: 5 files (.td, verifier, evaluation, region code, builder) and 3 or 4 tests, a sixth only for one that is neither elementwise nor left to itself by fusion; kernel family: 3 files (a new one, hero, fusion); done by the README's steps in a scratch clone, built and run, 2026-11-22",
}


def text_of(*patterns: str) -> str:
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return "\n".join((ROOT / p).read_text(errors="replace") for p in listed.stdout.split() if (ROOT / p).is_file())


def share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.0f}%)" if whole else "none"


def run_check(name: str) -> str:
    run = subprocess.run([sys.executable, str(ROOT / "tests/tools" / name)], capture_output=True, text=True)
    return run.stdout.strip().splitlines()[-1]


def sizes() -> tuple[str, str]:
    files, bodies = size_report.measure()
    words = []
    for lengths, limit in ((files, 400), (bodies, 60)):
        over = sum(n > limit for n in lengths.values())
        words.append(f"median {statistics.median(lengths.values()):.0f}, longest {max(lengths.values())}, over the limit {over}")
    return words[0], words[1]


def links() -> str:
    """Paths that the README and CONTRIBUTING name, and how many of them exist."""
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    tops = "compiler|dialects|passes|codegen|runtime|tests|examples"
    named = set(re.findall(rf"(?:\]\(|`\.?/?)((?:{tops})/[\w./-]+)[`)]", text))
    paths = {p for p in named if not re.search(r"NAME|/name/", p)}
    missing = sorted(p for p in paths if not (ROOT / p).exists())
    return share(len(paths) - len(missing), len(paths)) + " paths named in README and CONTRIBUTING exist" + "".join(f"; not {p}" for p in missing)


def pass_docs() -> str:
    bodies = re.findall(r"^def \w+ : \w*Pass<.*?^}", (ROOT / "passes/Passes.td").read_text(), re.M | re.S)
    described = sum("Why:" in b for b in bodies)
    shown = sum("Before" in b for b in bodies)
    return f"why: {share(described, len(bodies))}; before and after: {share(shown, len(bodies))}"


def op_contracts() -> str:
    """Numbered constraints of ops, and how many of them the op's folder of lit tests names."""
    total = cited = ops = numbered = 0
    for path in sorted((ROOT / "dialects").glob("*/*.td")):
        for match in re.finditer(r'^def \w+Op\s*:\s*\w+<"(\w+)".*?^}', path.read_text(), re.M | re.S):
            folder = ROOT / "tests/lit/dialects" / path.parent.name / match[1]
            tests = "\n".join(p.read_text() for p in folder.glob("*.mlir")) if folder.exists() else ""
            constraints = set(re.findall(r"\bC(\d+):", match[0]))
            ops += 1
            numbered += bool(constraints)
            total += len(constraints)
            cited += sum(bool(re.search(rf"\bC{c}\b|_c{c}\b", tests)) for c in constraints)
    return f"{share(numbered, ops)} ops have numbered constraints; {share(cited, total)} of these are named in a test of the op"


def reasons() -> str:
    source = text_of("dialects/*.cpp", "passes/*.cpp", "codegen/*.cpp")
    sites = re.findall(r"emit(?:Op)?Error\(([^;]*);", source)
    named = sum(bool(re.search(r"expect|must|found|has no|needs", s)) for s in sites)
    return share(named, len(sites)) + " diagnostics say expected, must, needs, found or has no"


def error_codes() -> str:
    codes = set(re.findall(r'(?:importError|engineError|usageError|Error|error)\(\s*(?:[\w:]+,\s*)?"([A-Z][A-Z0-9]*_[A-Z0-9_]+)"', text_of("compiler/**.cpp", "runtime/**.cc")))
    tests = text_of("tests/unit/**", "tests/e2e/**.py", "tests/lit/**")
    untested = sorted(c for c in codes if c not in tests)
    return share(len(codes) - len(untested), len(codes)) + " error codes appear in a test" + (f"; not {' '.join(untested[:12])}" if untested else "")


def api_prose() -> str:
    headers = [p for p in (ROOT / "runtime").rglob("*.h")]
    lines = [line.strip() for p in headers for line in p.read_text().splitlines() if line.strip()]
    comments = sum(line.startswith("//") or "///<" in line for line in lines)
    return share(comments, len(lines)) + " lines of runtime headers are prose"


def units() -> str:
    found, gaps = api_units.measure()
    return (f"tensors of the IR have dims and storage in their type (verified); {share(found - len(gaps), found)} arrays and quantities in runtime headers "
            "have a shape or unit" + "".join(f"; not {gap.split(' (')[0]}" for gap in gaps[:8]))


def mirror() -> str:
    untested, homeless, pairs, parts = check_mirror.unit_gaps()
    no_lit, found = check_mirror.lit_gaps()
    return (f"{pairs} sources and {found} ops and passes with a test of their name, {parts} sources that the test of their front names and reaches; "
            f"{len(untested) + len(no_lit)} sources without; {len(homeless)} tests without a source")


def stages() -> str:
    found = re.findall(r"^    (\w+)\) stage ", (ROOT / "tests/run.sh").read_text(), re.M)
    return f"{len(found)} stages: {' '.join(found)}"


def results() -> str:
    text = (ROOT / "README.md").read_text().split("## Results")[1].split("\n## ")[0]
    rows = [r for r in re.findall(r"^\| (.*) \|$", text, re.M) if not r.startswith(("what", "---"))]
    full = sum(all(cell.strip() for cell in row.split("|")) for row in rows)
    given = {"date": r"\b20\d\d-\d\d-\d\d\b", "machine": r"Machines?: .*CPUs", "peer version": r"Peer: .*\d+\.\d+\.\d+"}
    words = [name if re.search(pattern, text) else f"no {name}" for name, pattern in given.items()]
    return f"{share(full, len(rows))} rows of the result table complete; {', '.join(words)}"


def percents(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\((\d+)%\)", text)]


def whole(text: str) -> bool:
    """All shares of a line are 100%."""
    return bool(percents(text)) and min(percents(text)) == 100


# Whether a point is met, from what was measured; those by hand say so.
VERDICTS = {
    1: lambda words: int(re.search(r"median (\d+)", words)[1]) <= 150 and words.endswith("limit 0"),
    2: lambda words: words.endswith("limit 0"),
    3: lambda words: ", 0 failed" in words,
    4: whole, 5: whole, 7: whole, 9: whole, 11: whole,
    6: lambda words: "for script in examples/*/run.sh" in (ROOT / "tests/run.sh").read_text(),
    8: lambda words: percents(words)[0] >= 95,
    10: lambda words: 25 <= percents(words)[0] <= 45,
    12: lambda words: words.endswith("; 0 sources without; 0 tests without a source"),
    14: lambda words: {"format", "tidy", "layers", "size", "asan", "tsan", "lit", "unit"} <= set(words.split()),
    15: lambda words: whole(words) and "no " not in words,
}


def verdict(point: int, words: str) -> str:
    if point in BY_HAND:
        return "by hand"
    return "met" if VERDICTS[point](words) else "MISSED"


# Points whose words change with every file that is added or edited: of these the verdict alone is held.
MOVING = {1, 2, 3, 8, 10}


def rows() -> list[tuple[int, str, str, str, str]]:
    """Number, point, what it must be, what it is, verdict."""
    file_words, function_words = sizes()
    examples = list((ROOT / "examples").glob("*/run.sh"))
    points = [
        ("file size", "median <= 150, none over 400", file_words), ("function size", "none over 60", function_words),
        ("layers", "0 violations", run_check("check_layers.py")), ("data flow on disk", "every named path exists", links()),
        ("pass docs", "100% / 100%", pass_docs()), ("docs that run", "all", f"{len(examples)} examples, all run by tests/run.sh"),
        ("op contract", "100%", op_contracts()), ("reasons", ">= 95%", reasons()), ("error tests", "100%", error_codes()),
        ("API prose", "25-45%", api_prose()), ("shapes and units", "100%", units()), ("test mirror", "0 / 0 without", mirror()),
        ("newcomer cost", "op <= 5, kernel <= 4, model <= 2", BY_HAND[13]), ("presubmit", "format, tidy, layers, size, sanitizers, lit, unit", stages()),
        ("speed honesty", "every row", results()),
    ]
    return [(i, name, wanted, words, verdict(i, words)) for i, (name, wanted, words) in enumerate(points, 1)]


def table(measured: list) -> str:
    lines = "\n".join("| " + " | ".join(map(str, row)) + " |" for row in measured)
    today = datetime.date.today().isoformat()
    return f"# Quality checklist\nMeasured {today} by `tests/tools/checklist.py --write`.\n\n| # | point | must be | is | |\n| --- | --- | --- | --- | --- |\n{lines}\n"


def held(point: int, words: str, met: str) -> str:
    """What two tables have to agree on. Totals grow with the tree; shares, gaps and names do not."""
    if point in MOVING:
        return met
    return met + ": " + re.sub(r"\b\d+ of \d+ |\b\d+ (?=sources and|ops and passes|sources that)", "", words)


def check(measured: list) -> int:
    committed = {}
    for line in (ROOT / "tests/tools/CHECKLIST.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].isdigit():
            committed[int(cells[0])] = held(int(cells[0]), cells[3], cells[4])
    failed = 0
    for point, name, wanted, words, met in measured:
        if met == "MISSED":
            print(f"point {point}, {name}: must be {wanted}, is {words}")
        elif committed.get(point) != held(point, words, met):
            print(f"point {point}, {name}: CHECKLIST.md says '{committed.get(point)}', measured is '{held(point, words, met)}'; run tests/tools/checklist.py --write")
        else:
            continue
        failed += 1
    print(f"{len(measured) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def main() -> int:
    measured = rows()
    if "--check" in sys.argv[1:]:
        return check(measured)
    text = table(measured)
    if "--write" in sys.argv[1:]:
        (ROOT / "tests/tools/CHECKLIST.md").write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
