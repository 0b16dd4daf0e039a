"""Reads the assembly of kernels (AT&T syntax, as `llmc build --dump-dir` writes it): instructions, innermost loops, stack references."""

import dataclasses
import re

LABEL = re.compile(r"^(\.L\w+):")
INSTRUCTION = re.compile(r"^\t((?:\{vex\}\s+)?[a-z]\w*)(?:\s+(.*?))?\s*(?:#.*)?$")


@dataclasses.dataclass(frozen=True)
class Instruction:
    name: str  # "{vex} vpdpbusd" where an encoding is asked for
    operands: str

    def is_vector_stack_reference(self) -> bool:
        """By the stack pointer, as compilers do: in most kernels %rbp is a register like the others."""
        return "mm" in self.operands and "(%rsp" in self.operands

    def width(self) -> str:
        """The widest register that is named."""
        return next((w for w in ("zmm", "ymm", "xmm") if f"%{w}" in self.operands), "")


def parse(text: str) -> tuple[list[Instruction], dict[str, int]]:
    """All instructions, and the labels' places among them."""
    code, labels = [], {}
    for line in text.splitlines():
        if label := LABEL.match(line):
            labels[label[1]] = len(code)
        elif found := INSTRUCTION.match(line):
            code.append(Instruction(" ".join(found[1].split()), found[2] or ""))
    return code, labels


def innermost_loops(text: str) -> list[list[Instruction]]:
    """Bodies of the backward jumps that hold no other one."""
    code, labels = parse(text)
    spans = []
    for at, one in enumerate(code):
        start = labels.get(one.operands, at + 1) if one.name.startswith("j") else at + 1
        if start <= at:
            spans.append((start, at + 1))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return [code[a:b] for a, b in sorted(set(inner))]


def calls(text: str) -> list[Instruction]:
    """Of what the text does not hold: a kernel may be more than one function."""
    own = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    return [one for one in parse(text)[0] if one.name.startswith("call") and one.operands not in own]


def has_frame_pointer(text: str) -> bool:
    """Over-aligned data on the stack need one."""
    return any(one.operands == "%rsp, %rbp" for one in parse(text)[0])
