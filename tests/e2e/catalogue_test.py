"""catalogue.md against hostile_requests.py and the tests that it names."""

import collections
import pathlib
import re
import unittest

import engine
import hostile_requests

HERE = pathlib.Path(__file__).parent
WANTED = [f"HT{i}" for i in range(1, 17)] + [f"RQ{i}" for i in range(1, 27)] + [f"EP{i}" for i in range(1, 5)]


def table() -> list[list[str]]:
    lines = (HERE / "catalogue.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if re.match(r"\| (HT|RQ|EP)\d", line)]


class Catalogue(unittest.TestCase):
    def test_each_row_is_there_once(self):
        self.assertEqual([row[0].strip("| ") for row in table()], WANTED)

    def test_rows_answer_what_the_table_says(self):
        rows = collections.defaultdict(list)
        for row in hostile_requests.rows():
            rows[row.id].append(row)
        for name, _, answered, *_ in table():
            if name not in rows:
                continue  # a test of its own
            with self.subTest(name):
                said, codes = set(re.findall(r"\b[2-5]\d\d\b", answered)), set(re.findall(r"`([a-z]+_[a-z_]+)`", answered))
                sent = {str(row.status) for row in rows[name]}
                self.assertLessEqual(sent, said)
                self.assertLessEqual({row.code for row in rows[name]} - {""}, codes)
                self.assertEqual(any(row.closes for row in rows[name]), "close" in answered)

    def test_the_tests_that_it_names_exist(self):
        units = "".join(path.read_text() for path in sorted((engine.ROOT / "tests/unit/runtime").rglob("*_test.cc")))
        without, rows = [], {row.id for row in hostile_requests.rows()}
        for name, _, _, *also in table():
            tests = re.findall(r"`(\w+)\.(\w+)`", also[0]) if also else []
            if not tests and name not in rows:
                without.append(name)
            for suite, test in tests:
                found = f"def {test}(" in (HERE / f"{suite}.py").read_text() if suite.endswith("_test") else re.search(rf"TEST(_F)?\({suite}, {test}\)", units)
                self.assertTrue(found, f"{name}: {suite}.{test}")
        self.assertEqual(without, [])


if __name__ == "__main__":
    unittest.main()
