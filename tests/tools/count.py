"""Turns JUnit files of ctest or lit into `N passed, N failed, N skipped`, and names what failed.

Usage: tests/tools/count.py FILE.xml...     a test in several files counts once, as in the last one: failed tests may be run again alone
"""

import sys
import xml.etree.ElementTree as tree


def verdict(case) -> str:
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed"
    skipped = case.find("skipped")
    # CTest writes so too when a program is absent; only a test that asked to be skipped has a message SKIP_...
    if case.get("status") == "notrun" and (skipped is None or not skipped.get("message", "").startswith("SKIP_")):
        return "failed"
    if skipped is not None or case.get("status") == "disabled":
        return "skipped"
    return "passed"


def main() -> int:
    verdicts: dict[tuple, str] = {}
    for path in sys.argv[1:]:
        for case in tree.parse(path).iter("testcase"):
            key = (case.get("classname"), case.get("name"))
            if verdicts.get(key) == "failed" and verdict(case) == "passed":
                print(f"passed only when it ran alone: {case.get('name')}")
            verdicts[key] = verdict(case)
    for (_, name), word in verdicts.items():
        if word == "failed":
            print(f"FAILED {name}")
    count = {word: list(verdicts.values()).count(word) for word in ("passed", "failed", "skipped")}
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
