"""Finds what crosses the runtime's headers without a unit: arrays whose doc says no shape or unit, integers and times that name none.

Usage: tests/tools/api_units.py
Looked at are parameters of functions that others can call and public fields in runtime/**/*.h. An array is a std::span, a vector or a pointer
of numbers or bytes (a void* that can be written is a handle); a quantity is a number whose name says that it is a size, an amount or a time. Its unit, or the shape in brackets, stands in
the comment before or behind it, in that of the function, or in its own name or that of the function (weightBytes, tokens, rows).
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBERS = r"(?:u?int(?:8|16|32|64)?_t|size_t|float|double|std::byte|unsigned|int|char8_t|uint64_t)"
ARRAY = re.compile(rf"(?:std::span<(?:const )?{NUMBERS}|std::vector<{NUMBERS}>|(?:const )?{NUMBERS}\s*\*|const void\s*\*)")
QUANTITY = re.compile(rf"^(?:const )?(?:std::optional<)?{NUMBERS}>?$")
AMOUNT = re.compile(r"\b(?:size|length|count|limit|capacity|most|least|total|used|free|amount|time|deadline|delay|timeout|interval|budget|width|height|depth|room|load|rate)s?$")
UNIT = re.compile(r"\[[^\]]*\]|\b(?:%s)\b" % "|".join((
    r"bytes?", r"KiB|MiB|GiB", r"tokens?|token_ids|ids?", r"rows?", r"columns?", r"elements?|values?|numbers?|entries|entry|items?", r"pages?|blocks?",
    r"sequences?|requests?|streams?|messages?|prompts?|texts?", r"characters?|lines?", r"logits?|probabilities|scores|weights?|floats?|codes?", r"workers?|threads?|CPUs?|nodes?|cores?",
    r"files?|descriptors?|connections?|sections?|levels?|kernels?|launches|slots?|layers?|heads?|steps?|phases?|chunks?|buckets?|candidates|bits?", r"(?:nano|micro|milli)?seconds?|ns|us|ms|s",
    r"GB/s|bytes/s|tokens/s|GOP/s|share|ratio|percent|per second", r"addresses|pointers?|arguments?|index|indices|keys?|strings?|words?|places?|samples?|times|gaps?|answers?|choices?|clients?|events?|devices?|variants?|programs?|calls?|answers|draws?|counts?|parts?|positions?")), re.I)


def words(name: str) -> str:
    """kvBytesPerToken_ -> kv bytes per token"""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", name).strip().lower()


def statements(text: str):
    """(line, doc, statement) of each declaration: its comments and its text up to ; or {, private parts and bodies left out."""
    doc, inside, shown, depth_private, depth = [], "", [], [], 0
    around: list[tuple[int, str]] = []  # depth and comment of the types that are open
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if re.match(r"(private|protected):", stripped):
            depth_private.append(depth)
        elif re.match(r"public:", stripped) and depth_private:
            depth_private.pop()
        if stripped.startswith("//"):
            if not inside:
                doc.append(stripped.lstrip("/ "))
            continue
        code, _, behind = line.replace("/*", "//", 1).partition("//")
        if not stripped or stripped.startswith("#") or depth_private:
            if not stripped:
                doc = []
        else:
            if behind:
                shown.append(behind.lstrip("/< "))
            inside += " " + code.strip()
            if code.rstrip().endswith((";", "{", "}", ":")):
                if re.match(r"(?:struct|class) ", inside.strip()) and code.rstrip().endswith("{"):
                    around.append((depth, " ".join(re.findall(r"\bin (?:bytes|tokens|pages|rows|(?:milli|micro|nano)?seconds)\b", " ".join(doc)))))
                else:
                    yield number, " ".join([comment for _, comment in around[-1:]] + doc + shown), inside.strip()
                if not inside.rstrip().endswith("{") or "(" in inside:
                    doc = []
                inside, shown = "", []
        depth += code.count("{") - code.count("}")
        if depth_private and depth < depth_private[-1]:
            depth_private.pop()
        while around and depth <= around[-1][0]:
            around.pop()


def split_arguments(text: str) -> list[str]:
    parts, depth = [""], 0
    for char in text:
        depth += char in "<([{"
        depth -= char in ">)]}"
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def declared(statement: str) -> tuple[str, list[tuple[str, str]]]:
    """What a statement is called, and the type and name of each parameter, or of the field that it is."""
    if re.match(r"(?:using|template|friend|namespace|enum|class|struct|typedef|static_assert|return|if|for|extern)\b", statement):
        return "", []
    call = re.match(r"[\w:<>,&*\s\[\]]*?\b(~?\w+)\((.*)\)[^()]*[;{}]?[^()]*$", statement)
    if call and "=" not in statement[:call.start(2)]:
        parameters = []
        for argument in split_arguments(call[2]):
            argument = argument.split("=")[0].strip()
            if match := re.match(r"(.*[\s&*>])(\w+)$", argument):
                parameters.append((match[1].strip(), match[2]))
        return call[1], parameters
    field = re.match(r"((?:const |std::optional<|std::vector<|std::span<const |std::span<)*[\w:]+>*\s*[*&]?)\s*(\w+\b.*);", statement)
    names = [re.match(r"[*\s]*(\w+)", part) for part in split_arguments(field[2])] if field else []
    return "", [(field[1].strip(), name[1]) for name in names if name]


def measure() -> tuple[int, list[str]]:
    """How many arrays and quantities there are, and those without a unit."""
    found, gaps = 0, []
    for path in sorted((ROOT / "runtime").rglob("*.h")):
        for line, doc, statement in statements(path.read_text()):
            name, values = declared(statement)
            for kind, value in values:
                array = ARRAY.search(kind) is not None
                if not array and not (QUANTITY.match(kind) and (AMOUNT.search(words(value)) or UNIT.search(words(value)))):
                    continue
                found += 1
                if not UNIT.search(" ".join((doc, words(value), words(name)))):
                    gaps.append(f"{path.relative_to(ROOT)}:{line}: {value} ({kind}) has no {'shape or unit' if array else 'unit'}")
    return found, gaps


def main() -> int:
    found, gaps = measure()
    print("\n".join(gaps))
    print(f"{found - len(gaps)} passed, {len(gaps)} failed, 0 skipped")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
