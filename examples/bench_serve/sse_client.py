"""HTTP/1.1 over asyncio with kept connections: one request in, the times of its streamed events out, little CPU for each."""

import asyncio
import dataclasses
import json
import re
import time
import urllib.parse

# An event that carries text: the first event of a chat (role only) and the last (usage only) do not count as tokens.
TOKEN = re.compile(rb'"(?:text|content|reasoning_content)":\s*"(?!")')
USAGE = re.compile(rb'"usage":\s*\{')
ERROR = re.compile(rb'^data: \{"error":')


@dataclasses.dataclass
class Outcome:
    """Of one request. Seconds; `start` is of time.perf_counter()."""

    start: float
    status: int = 0
    headers: dict = dataclasses.field(default_factory=dict)
    first_byte: float = 0.0  # of the answer's head, after start
    ttft: float = 0.0
    itl: list = dataclasses.field(default_factory=list)
    latency: float = 0.0
    output_tokens: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    done: bool = False  # [DONE] came
    error: str = ""
    body: bytes = b""  # of an answer that is no stream
    queued: float = 0.0  # before start, in this client

    @property
    def success(self) -> bool:
        return self.status == 200 and not self.error


class Connection(asyncio.Protocol):
    """Reads one answer at a time; `answer` ends with the whole answer or an exception."""

    def __init__(self):
        self.buffer = bytearray()
        self.transport = None
        self.answer: asyncio.Future | None = None
        self.closed = False
        self.uses = 0

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        self.closed = True
        if self.answer and not self.answer.done():
            if self.inside and self.left is None and not self.chunked:
                return self._end()  # a body that lasts until the server closes
            self.answer.set_exception(error or ConnectionResetError("the server closed the connection"))

    def send(self, data: bytes, outcome: Outcome, on_event=None) -> asyncio.Future:
        self.answer = asyncio.get_running_loop().create_future()
        self.outcome, self.on_event = outcome, on_event
        self.inside = self.chunked = self.stream = False
        self.keep, self.left, self.last = True, None, 0.0
        self.tail = b""
        self.uses += 1
        self.buffer.clear()
        self.transport.write(data)
        return self.answer

    def data_received(self, data: bytes):
        now = time.perf_counter()
        self.buffer += data
        if self.answer is None or self.answer.done():
            return
        try:
            if self.inside or self._head(now):
                self._body(now)
        except (ValueError, IndexError, KeyError) as error:
            self.answer.set_exception(ConnectionError(f"the answer is not HTTP as expected: {error!r}"))

    def _head(self, now: float) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
        del self.buffer[: end + 4]
        outcome = self.outcome
        outcome.status = int(lines[0].split(" ", 2)[1])
        outcome.first_byte = now - outcome.start
        for line in lines[1:]:
            name, _, value = line.partition(":")
            outcome.headers[name.strip().lower()] = value.strip()
        headers = outcome.headers
        self.inside = True
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.left = int(headers["content-length"]) if "content-length" in headers else None
        self.keep = headers.get("connection", "").lower() != "close" and (self.chunked or self.left is not None)
        self.stream = headers.get("content-type", "").startswith("text/event-stream")
        return True

    def _body(self, now: float):
        if not self.chunked:
            piece = bytes(self.buffer)
            self.buffer.clear()
            self._feed(piece, now)
            if self.left is not None:
                self.left -= len(piece)
                if self.left <= 0:
                    self._end()
            return
        at, pieces = 0, []
        while (line := self.buffer.find(b"\r\n", at)) >= 0:
            size = int(self.buffer[at:line].split(b";")[0], 16)
            if len(self.buffer) < line + 2 + size + 2:
                break
            pieces.append(bytes(self.buffer[line + 2 : line + 2 + size]))
            at = line + 2 + size + 2
            if size == 0:
                break
        del self.buffer[:at]
        if pieces:
            self._feed(b"".join(pieces), now)
            if not pieces[-1]:
                self._end()

    def _feed(self, piece: bytes, now: float):
        if not self.stream:
            self.outcome.body += piece
            return
        events = (self.tail + piece).split(b"\n\n")
        self.tail = events.pop()
        for event in events:
            self._event(event, now)

    def _event(self, event: bytes, now: float):
        outcome = self.outcome
        if self.on_event:
            self.on_event(event, now)
        if TOKEN.search(event):
            if self.last:
                outcome.itl.append(now - self.last)
            else:
                outcome.ttft = now - outcome.start
            self.last = now
        if event == b"data: [DONE]":
            outcome.done = True
        elif USAGE.search(event):
            take_usage(outcome, json.loads(event[6:])["usage"])
        elif ERROR.match(event):
            outcome.error = event[6:].decode(errors="replace")

    def _end(self):
        outcome = self.outcome
        outcome.latency = time.perf_counter() - outcome.start
        if not self.keep:
            self.transport.close()
            self.closed = True
        if outcome.status != 200:
            outcome.error = f"HTTP {outcome.status}: {outcome.body[:300].decode(errors='replace')}"
        elif self.stream and not outcome.output_tokens:  # a server that tells no usage
            outcome.output_tokens = len(outcome.itl) + (1 if outcome.ttft else 0)
        self.answer.set_result(outcome)


def take_usage(outcome: Outcome, usage: dict):
    outcome.input_tokens = usage.get("prompt_tokens") or 0
    outcome.output_tokens = usage.get("completion_tokens") or 0
    outcome.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0


class Client:
    """Kept connections to one server, `http://host:port` without TLS. A request that is cancelled closes its connection."""

    def __init__(self, url: str, key: str = ""):
        parts = urllib.parse.urlsplit(url if "://" in url else "http://" + url)
        if parts.scheme != "http" or not parts.hostname:
            raise SystemExit(f"expected http://HOST:PORT, found {url}")
        self.host, self.port, self.key = parts.hostname, parts.port or 80, key
        self.idle: list[Connection] = []
        self.resent = 0  # requests whose kept connection the server had closed

    def message(self, method: str, path: str, body: bytes | None, headers: str = "") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{headers}"
        if self.key:
            head += f"Authorization: Bearer {self.key}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return (head + "\r\n").encode() + (body or b"")

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(Connection, self.host, self.port))[1]

    async def send(self, data: bytes, on_event=None) -> Outcome:
        """The whole answer. Never raises for what the server does: that is in `error`."""
        outcome = Outcome(time.perf_counter())
        connection = None
        try:
            while connection is None or connection.closed:
                connection = self.idle.pop() if self.idle else await self.connect()
            used = connection.uses > 0
            try:
                await connection.send(data, outcome, on_event)
            except ConnectionError:
                if not used or outcome.status:
                    raise
                self.resent += 1
                connection = await self.connect()
                await connection.send(data, outcome, on_event)
            if not connection.closed:
                self.idle.append(connection)
        except (OSError, ConnectionError) as error:
            outcome.error = outcome.error or f"{type(error).__name__}: {error}"
            outcome.latency = time.perf_counter() - outcome.start
            if connection and connection.transport:
                connection.transport.abort()
        except asyncio.CancelledError:
            if connection and connection.transport:
                connection.transport.abort()
            raise
        return outcome

    async def post(self, path: str, body: dict, on_event=None) -> Outcome:
        return await self.send(self.message("POST", path, json.dumps(body).encode()), on_event)

    async def get(self, path: str) -> Outcome:
        return await self.send(self.message("GET", path, None))

    def close(self):
        for connection in self.idle:
            connection.transport.abort()
        self.idle.clear()
