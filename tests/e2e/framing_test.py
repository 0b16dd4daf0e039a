"""The server's HTTP parser beside h11 and http.server: mutated requests, and shapes by which requests are smuggled (HT1-HT4 of catalogue.md)."""

import sys
import unittest

import engine

PROGRAM = engine.BIN.parent / "tests" / "read_requests"
sys.path.insert(0, str(engine.ROOT / "tests" / "fuzz"))

try:
    import framing
except ModuleNotFoundError as missing:
    framing = None
    reason = f"no {missing.name}"
else:
    reason = f"no {PROGRAM}"


@unittest.skipUnless(framing and PROGRAM.exists(), reason)
class Framing(unittest.TestCase):
    def test_nobody_frames_differently_what_ours_accepts(self):
        counts, faults = framing.run(PROGRAM, 6000, seed=1)
        self.assertEqual(faults, [])
        self.assertGreater(counts["requests"], 4000)
        self.assertGreater(counts["refused"], 1500)

    def test_what_could_be_smuggled_is_refused(self):
        shapes = framing.SMUGGLING
        for name, reading in zip(shapes, framing.ours(PROGRAM, list(shapes.values()))):
            self.assertEqual(reading, framing.Reading([], "refused"), name)

    def test_the_shapes_are_read_by_others(self):
        """Else refusing them would show nothing."""
        taken = [name for name, data in framing.SMUGGLING.items() for other in (framing.by_h11, framing.by_http_server) if (r := other(data)) is None or r.requests]
        self.assertGreater(len(set(taken)), len(framing.SMUGGLING) / 2, taken)

    def test_differences_are_seen(self):
        one, two = framing.Request(b"GET", b"/a", b"", True), framing.Request(b"POST", b"/b", b"xy", True)
        read = lambda *requests, end="end": framing.Reading(list(requests), end)
        for left, right in ((read(one, two), read(one, two)), (read(one, two), read(one, end="refused")), (read(one, end="refused"), read(one, two)),
                            (read(end="more"), read(end="more")), (read(one._replace(keep=False)), read(one._replace(keep=None), two))):
            self.assertEqual(framing.difference(left, right), "")
        for left, right in ((read(one), read(two)), (read(one), read(one._replace(body=b"x"))), (read(one), read(one._replace(keep=False))),
                            (read(one, two), read(one, end="more")), (read(one, end="more"), read(one, two)), (read(two), read(two._replace(target=b"/")))):
            self.assertTrue(framing.difference(left, right), (left, right))


if __name__ == "__main__":
    unittest.main()
