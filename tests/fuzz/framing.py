#!/usr/bin/env python3
"""The server's HTTP parser beside two others, h11 and Python's http.server, on mutated requests: no two may frame the same bytes differently.

Example: framing.py build/tests/read_requests --seconds 3600      (or --cases N; --seed: of the first case)
A case is the bytes of a connection. While ours and another parser both go on they must read the same requests (method, target, body, whether
the connection stays); only a refusal of one of the two may end that. Exit status 1 with the cases where they differ. Needs h11 (of .venv).
"""

import argparse
import http.server
import io
import json
import pathlib
import random
import subprocess
import sys
import time
from typing import NamedTuple

import h11

HONEST = [
    b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /v1/models?x=1&y HTTP/1.1\r\nHost: a:8000\r\nAccept: */*\r\nConnection: close\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"prompt\":1}",
    b"POST /tokenize HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /metrics HTTP/1.1\r\nHost: inner\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
    b"POST /old HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
    b"PUT http://a/abs?q HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"GET /kept HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nX: y\r\nConnection: close\r\n\r\n",
    b"DELETE //x/../y HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Text: \xc3\xa9 b\t c \r\n\r\n",
]
LINES = [b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 12", b"Content-Length: +5", b"Content-Length: 5, 5", b"Content-Length: 0x5",
         b"Content-Length : 5", b" Content-Length: 5", b"Content-Length:\t5", b"Content-Length: 005", b"Content-Length: -1", b"Content-Length: 18446744073709551621",
         b"Content_Length: 5", b"content-length: 5", b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: chunked, chunked",
         b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding : chunked",
         b"Transfer-Encoding: x\r\n chunked", b"Transfer-Encoding:chunked\t", b"TE: trailers", b"Host: b", b"Connection: keep-alive", b"Connection: close",
         b"Connection: close, x", b"Connection: Close", b"Expect: 100-continue", b"X: a\r\n\tfolded", b"X", b": x", b"X\x00: y", b"X: \x00", b"X Y: z"]
BYTES = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b";", b",", b"0", b"1", b"\0", b"\x0b", b"\x0c", b"+", b"-", b"x", b"_", b"\x7f", b"\x80", b"\xff", b"\r\n\r\n", b"#", b"?", b"/"]
# What a front and a back have disagreed about. Ours refuses each, and no request of it is read.
SMUGGLING = {
    "length and coding": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde",
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
    "a length in base 16": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nabcde",
    "a length over 64 bits": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nabcde",
    "two codings": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a list of codings": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "a coding that hides behind a control character": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nabcde",
    "a folded coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 5\r\n\r\n",
    "a folded first header": b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
    "lines that end in LF": b"POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nabcde",
    "one line that ends in LF": b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 5\r\n\r\nabcde",
    "a CR in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 5\r\n\r\n",
    "a NUL in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "a chunk's size that ends in LF": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "a chunk's extension with LF": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nhello\r\n0\r\n\r\n",
    "a chunk's size with 0x": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk's size of 65 bits": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a chunk that is longer than its size": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
}


class Request(NamedTuple):
    method: bytes
    target: bytes
    body: bytes
    keep: bool | None  # None: not comparable


class Reading(NamedTuple):
    requests: list[Request]
    end: str  # "refused", "more": waits for bytes, "end": has read all that it will


def mutated(chance: random.Random) -> bytes:
    """One to three requests, of which most are changed in one to three places."""
    data = bytearray(b"".join(chance.choice(HONEST) for _ in range(chance.choice((1, 1, 2, 3)))))
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        kind, at = chance.randrange(6), chance.randrange(len(data))
        if kind == 0:
            data[at : at + chance.randint(0, 2)] = chance.choice(BYTES)
        elif kind == 1:
            del data[at : at + chance.randint(1, 3)]
        elif kind == 2:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 3:  # a line more
            ends = [i for i in range(len(data) - 1) if data[i : i + 2] == b"\r\n"]
            if ends:
                place = chance.choice(ends) + 2
                data[place:place] = chance.choice(LINES) + chance.choice((b"\r\n", b"\r\n", b"\r\n", b"\n"))
        elif kind == 4:  # a line twice
            lines = bytes(data).split(b"\r\n")
            which = chance.randrange(len(lines))
            data = bytearray(b"\r\n".join(lines[:which] + [lines[which]] + lines[which:]))
        else:
            data = data[:at] if chance.random() < 0.3 else data + chance.choice(HONEST)
        if not data:
            return b"\r\n"
    return bytes(data)


def ours(program: pathlib.Path, cases: list[bytes]) -> list[Reading]:
    asked = b"".join(b"%d\n" % len(case) + case for case in cases)
    answered = subprocess.run([program], input=asked, capture_output=True, check=True, timeout=600).stdout.decode().splitlines()
    assert len(answered) == len(cases), f"{len(answered)} answers to {len(cases)} cases"
    readings = []
    for line in answered:
        requests, _, end = line.partition(" ")
        parts = [one.split("/") for one in requests.split(",") if one]
        decode = bytes.fromhex
        read = [Request(decode(m), decode(p) + (b"?" + decode(q) if q else b""), decode(b), k == "1") for m, p, q, b, k in parts]
        readings.append(Reading(read, end.split()[0]))
    return readings


def plain(target: bytes) -> bytes:
    """As ours tells it: of the absolute form the path, and no empty query."""
    head, mark, rest = target.partition(b"://")
    if mark and not target.startswith(b"/") and head.lower() in (b"http", b"https"):
        cut = min((rest.index(c) for c in (b"/", b"?") if c in rest), default=len(rest))
        target = rest[cut:] if rest[cut : cut + 1] == b"/" else b"/" + rest[cut:]
    return target[:-1] if target.endswith(b"?") and target.count(b"?") == 1 else target


def without_empty_lines(data: bytes) -> bytes:
    """Ours skips them before a request, as RFC 9112 (2.2) advises; the others do not."""
    while data.startswith(b"\r\n"):
        data = data[2:]
    return data


def by_h11(data: bytes) -> Reading:
    connection, requests, head, body = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20), [], None, b""
    if not (data := without_empty_lines(data)):
        return Reading([], "end")  # no bytes would be the end of the connection
    connection.receive_data(data)
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return Reading(requests, "more" if connection.trailing_data[0] or head else "end")
            if event is h11.PAUSED:
                return Reading(requests, "end")
            if isinstance(event, h11.Request):
                head, body = event, b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                old = head.http_version != b"1.1"
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                keep = connection.our_state is h11.DONE
                requests.append(Request(head.method, plain(head.target), body, None if old else keep))
                head = None
                if not keep:
                    return Reading(requests, "end")
                connection.start_next_cycle()
    except h11.RemoteProtocolError:
        return Reading(requests, "refused")


class _Head(http.server.BaseHTTPRequestHandler):
    def __init__(self, data: bytes):
        self.rfile, self.wfile, self.refused = io.BytesIO(data), io.BytesIO(), False
        self.raw_requestline = self.rfile.readline(65537)

    def send_error(self, *_):
        self.refused = True

    def handle_expect_100(self):
        return True


def by_http_server(data: bytes) -> Reading | None:
    """The first request. None: one that it does not frame (chunks, whose reading it leaves to others)."""
    head = _Head(data)
    if not head.parse_request() or head.refused or head.request_version == "HTTP/0.9":
        return Reading([], "refused")
    if not data[: head.rfile.tell()].endswith((b"\n\r\n", b"\n\n")):
        return Reading([], "more")  # it takes the end of the bytes for the end of the head
    if "transfer-encoding" in head.headers:
        return None
    length = head.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        return Reading([], "refused")
    body = head.rfile.read(min(int(length), 1 << 30))
    if len(body) < int(length):
        return Reading([], "more")
    return Reading([Request(head.command.encode("latin-1"), plain(head.path.encode("latin-1")), body, None)], "end")


def same(a: Request, b: Request) -> bool:
    return a[:3] == b[:3] and (a.keep == b.keep or None in (a.keep, b.keep))


def difference(mine: Reading, theirs: Reading, most: int = 1 << 30) -> str:
    """Empty: they agree as far as both went. At most so many requests are looked at."""
    for index in range(most):
        left, right = (reading.requests[index : index + 1] for reading in (mine, theirs))
        if left and right:
            if not same(left[0], right[0]):
                return f"request {index}: {left[0]} and {right[0]}"
            if left[0].keep is False or right[0].keep is None:
                return ""  # who reads on after that is none of the others' business
        elif left or right:
            stopped = theirs if left else mine
            return "" if stopped.end == "refused" else f"request {index}: read by {'ours' if left else 'the other'}, the other's end is '{stopped.end}'"
        else:
            return ""
    return ""


def squeezed(reading: Reading) -> Reading:
    """http.server makes one slash of those that a path begins with."""
    return reading._replace(requests=[r._replace(target=b"/" + r.target.lstrip(b"/")) if r.target.startswith(b"//") else r for r in reading.requests])


def compare(data: bytes, mine: Reading) -> list[str]:
    found = [("h11", difference(mine, by_h11(data)))]
    if (other := by_http_server(without_empty_lines(data))) is not None:
        found.append(("http.server", difference(squeezed(mine), squeezed(other), 1)))
    return [f"{name}: {text}" for name, text in found if text]


def run(program: pathlib.Path, cases: int, seed: int) -> tuple[dict, list[str]]:
    inputs = [mutated(random.Random(seed + i)) for i in range(cases)]
    readings = ours(program, inputs)
    faults = [f"case {seed + i}: {data!r}: {text}" for i, (data, mine) in enumerate(zip(inputs, readings)) for text in compare(data, mine)]
    return {"cases": cases, "requests": sum(len(r.requests) for r in readings), "refused": sum(r.end == "refused" for r in readings)}, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="read_requests of the build")
    parser.add_argument("--cases", type=int, default=20_000, help="default 20000")
    parser.add_argument("--seconds", type=float, default=0, help="goes on with more cases for so long")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    end, seed, total, faults = time.monotonic() + args.seconds, args.seed, {}, []
    while True:
        counts, found = run(args.program, args.cases, seed)
        total = {name: total.get(name, 0) + count for name, count in counts.items()}
        faults += found
        seed += args.cases
        if faults or time.monotonic() >= end:
            break
    print(json.dumps(total | {"different": len(faults)}))
    print("\n".join(faults[:20]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
