"""Turns a JUnit file of lit into `N passed, N failed, N skipped`, and names what failed.

Usage: tests/tools/count.py FILE.xml
"""

import sys
import xml.etree.ElementTree as tree


def verdict(case) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def main() -> int:
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for case in tree.parse(sys.argv[1]).iter("testcase"):
        count[verdict(case)] += 1
        if verdict(case) == "failed":
            print(f"FAILED {case.get('name')}")
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
