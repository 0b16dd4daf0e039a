"""Turns a JUnit file of ctest or lit into `N passed, N failed, N skipped`, and names what failed.

Usage: tests/tools/count.py FILE.xml...
"""

import sys
import xml.etree.ElementTree as tree


def main() -> int:
    passed = failed = skipped = 0
    for path in sys.argv[1:]:
        for case in tree.parse(path).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
                failed += 1
                print(f"FAILED {case.get('classname') or ''} {case.get('name')}")
            elif case.find("skipped") is not None or case.get("status") in ("disabled", "notrun"):
                skipped += 1
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
