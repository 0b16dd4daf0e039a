"""The hostile requests of the server's catalogue (HT, RQ, EP): what is sent, and the status, type, param and code to come.

Each row is complete in itself and needs a server without keys whose context is 1000 tokens and whose vocabulary is at most
49152; rows that need keys say so. A row without `code` only has to be answered with its status.
"""

import dataclasses
import gzip
import json
import socket

CONTEXT = 1000
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
MESSAGES, RESPONSES = "/v1/messages", "/v1/responses"
HELLO = [{"role": "user", "content": "hi"}]
HEADS = {TEXT: {"prompt": "hi", "max_tokens": 4}, CHAT: {"messages": HELLO, "max_tokens": 4},
         MESSAGES: {"messages": HELLO, "max_tokens": 4}, RESPONSES: {"input": "hi", "max_output_tokens": 4}}
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error",
         503: "service_unavailable_error", 500: "server_error", 504: "server_error"}


@dataclasses.dataclass
class Row:
    id: str
    data: bytes
    status: int
    code: str = ""
    param: str | None = None
    closes: bool = False  # the connection must end after the answer
    key: bool = False  # for a server whose key is "right-key"
    mock: bool = False  # asks the mock backend for something

    @property
    def type(self) -> str:
        return TYPES.get(self.status, "invalid_request_error")


@dataclasses.dataclass
class Reply:
    status: int
    headers: dict
    body: bytes
    closed: bool


def post(path: str, body: bytes, headers: str = "", media: str = "application/json", host: str = "localhost") -> bytes:
    return (f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media}\r\n{headers}Content-Length: {len(body)}\r\n\r\n").encode() + body


def get(path: str, headers: str = "", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def ask(path: str, **fields) -> bytes:
    return post(path, json.dumps(HEADS[path] | fields).encode())


def field(path: str, name: str, text: str) -> bytes:
    """A field whose value is written as it is: numbers that Python would not write."""
    head = json.dumps({k: v for k, v in HEADS[path].items() if k != name})[:-1]
    return post(path, f"{head}, \"{name}\": {text}}}".encode())


def send(server, data: bytes, wait: float = 20) -> Reply:
    """The first answer to `data`; status 0 when there is none."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as sock:
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the end; the answer is there all the same
        seen = b""
        while b"\r\n\r\n" not in seen:
            more = sock.recv(65536)
            if not more:
                return Reply(0, {}, seen, True)
            seen += more
        head, _, body = seen.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines[1:])}
        length = 0 if data.startswith(b"HEAD") else int(headers.get("content-length", 0))
        while len(body) < length:
            more = sock.recv(65536)
            if not more:
                break
            body += more
        closed = False
        if headers.get("connection") == "close":
            closed = sock.recv(1) == b""
        return Reply(int(lines[0].split()[1]), headers, body[:length], closed)


def bad_fields():
    """RQ rows that are one field of one or both of OpenAI's endpoints: id, paths, field, values as JSON text."""
    both, many = (TEXT, CHAT), "[" + ",".join(["\"a\""] * 17) + "]"
    huge = "\"" + "x" * (1 << 20) + "\""
    yield "RQ3", both, "n", ["0", "-1", "2.5", "\"2\"", "129", "1000000000"]
    yield "RQ3", (TEXT,), "best_of", ["0", "-1", "2.5", "\"2\"", "129", "1000000000"]
    yield "RQ4", (TEXT,), "logprobs", ["-1", "21", "1000000"]
    yield "RQ4", (CHAT,), "top_logprobs", ["-1", "21", "1000000", "5"]  # the last one without logprobs
    yield "RQ4", both, "prompt_logprobs", ["-2", "21", "1000000", "\"all\""]
    yield "RQ5", both, "max_tokens", ["0", "-1", "9223372036854775808"]
    yield "RQ6", both, "temperature", ["-1"]
    yield "RQ6", both, "top_p", ["0", "1.1"]
    yield "RQ6", both, "presence_penalty", ["1e9"]
    yield "RQ6", both, "frequency_penalty", ["-1e9"]
    yield "RQ6", both, "repetition_penalty", ["1e9", "0"]
    yield "RQ6", both, "seed", ["18446744073709551616", "9223372036854775808", "1.5"]
    yield "RQ7", both, "stop", [many, "[\"\"]", "\"\"", huge]
    yield "RQ8", both, "logit_bias", ["{\"999999999\":1}", "{\"-1\":1}", "{\"1\":1e9}", "[]"]
    yield "RQ16", both, "cache_salt", ["\"\"", "\"a\\nb\"", "\"a\\u0000\"", huge]
    yield "RQ16", both, "user", ["\"a\\rb\"", "7", huge]
    yield "RQ19", both, "model", ["\"" + "m" * 10_000 + "\"", "7"]
    yield "RQ20", both, "stream", ["\"yes\"", "1"]
    yield "RQ20", both, "stream_options", ["{\"include_usage\":true}"]
    yield "RQ25", both, "min_tokens", ["5", "-1"]


def prompts():
    yield "\"\"", "prompt"
    yield "[]", "prompt"
    yield "[" + ",".join(["\"a\""] * 100_000) + "]", "prompt"
    yield "[-1]", "prompt"
    yield "[999999999]", "prompt"
    yield "[1.5]", "prompt"
    yield "[1,\"a\"]", "prompt"
    yield "[\"a\",1]", "prompt[1]"
    yield "[\"a\",[1]]", "prompt[1]"
    yield "[[1],\"a\"]", "prompt[1]"


def request_rows():
    deep = b"{\"a\":" * 100_000
    broken = [("not JSON", b"hello"), ("empty", b""), ("array", b"[1]"), ("trailing", b"{} {}"), ("trailing behind NUL", b"{}\0{}"), ("bad UTF-8", b"{\"prompt\":\"\xff\"}")]
    for path in HEADS:
        shape = {} if path == MESSAGES else {"code": "invalid_json"}
        for _, body in broken:
            yield Row("RQ1", post(path, body), 400, **shape)
        for body in (deep, b"{\"a\":1,\"a\":2}", ("{" + ",".join(f"\"k{i}\":0" for i in range(500_000)) + "}").encode()):
            yield Row("RQ2", post(path, body), 400, **shape)
    for id, paths, name, values in bad_fields():
        for path in paths:
            for value in values:
                yield Row(id, field(path, name, value), 400, "invalid_value", name)
    yield Row("RQ3", field(TEXT, "n", "2, \"best_of\": 1"), 400, "invalid_value", "best_of")
    for path in (TEXT, CHAT):
        yield Row("RQ5", ask(path, max_tokens=CONTEXT + 1), 400, "context_length_exceeded", "prompt" if path == TEXT else "messages")
        yield Row("RQ6", field(path, "temperature", "1e999"), 400, "invalid_json")
        for count in (1025, 300_000):  # no object may have so many keys
            yield Row("RQ8", field(path, "logit_bias", "{" + ",".join(f"\"{i}\":0" for i in range(count)) + "}"), 400, "invalid_value", "logit_bias")
        yield Row("RQ19", ask(path, model="other"), 404, "model_not_found", "model")
        yield Row("RQ21", ask(path, response_format={"type": "json_object"}), 400, "unsupported_parameter", "response_format")
        yield Row("RQ21", ask(path, response_format="json"), 400, "invalid_value", "response_format")
    yield Row("RQ5", ask(TEXT, prompt=[1] * CONTEXT, max_tokens=1), 400, "context_length_exceeded", "prompt")
    yield Row("RQ5", ask(TEXT, prompt=[1] * (CONTEXT - 4)), 200)
    for value, param in prompts():
        yield Row("RQ9", field(TEXT, "prompt", value), 400, "invalid_value", param)
    yield Row("RQ9", post(TEXT, b"{\"prompt\":\"" + b"x" * 10_000_000 + b"\"}"), 413, "invalid_http", closes=True)
    yield from chat_rows()
    yield Row("RQ23", ask(TEXT, suffix="end"), 400, "unsupported_parameter", "suffix")
    yield Row("RQ23", ask(TEXT, echo=True, logprobs=1), 200)
    yield Row("RQ24", ask(TEXT, prompt=[[1]] * 31 + [[999999999]], n=8, stream=True), 400, "invalid_value", "prompt[31]")
    yield Row("RQ24", ask(TEXT, prompt=[[1]] * 257), 400, "invalid_value", "prompt")
    yield Row("RQ24", ask(TEXT, prompt=[[1]] * 33, n=8), 400, "invalid_value", "n")
    yield from other_apis()
    for salt, status, code in (("kv", 400, "kv_capacity"), ("full", 429, "queue_full"), ("down", 503, "engine_unavailable"), ("nan@0", 500, "internal_error")):
        yield Row("RQ15" if salt == "kv" else "RQ17", ask(TEXT, cache_salt="mock:" + salt), status, code,
                  "max_tokens" if salt == "kv" else None, mock=True)


def chat_rows():
    def turn(content, **more):
        return [{"role": "user", "content": content} | more]

    value = "invalid_value"
    for messages, param, code in (([], "messages", value), ([{}] * 100_000, "messages", value), (turn("a", role="wizard"), "messages[0].role", value),
                                  (turn(None), "messages[0].content", value), (turn({}), "messages[0].content", value), ({}, "messages", value)):
        yield Row("RQ10", ask(CHAT, messages=messages), 400, code, param)
    for part in ({"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/a.png"}}, {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
                 {"type": "file", "file": {"file_id": "f"}}):
        yield Row("RQ11", ask(CHAT, messages=turn([part])), 400, "unsupported_content", "messages[0].content[0]")
    yield Row("RQ12", ask(CHAT, chat_template="{{ x }}"), 400, "unsupported_parameter", "chat_template")
    yield Row("RQ12", ask(CHAT, chat_template_kwargs={"chat_template": "x"}), 400, "unsupported_parameter", "chat_template_kwargs")
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    yield Row("RQ13", ask(CHAT, response_format=schema), 400, "unsupported_parameter", "response_format")
    yield Row("RQ13", field(CHAT, "response_format", "{\"a\":" * 1000 + "1" + "}" * 1000), 400, "invalid_json")
    loop = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}}}
    yield Row("RQ13", ask(CHAT, response_format=loop), 400, "unsupported_parameter", "response_format")
    yield Row("RQ13", ask(CHAT, structured_outputs={"regex": "(a+)+$"}), 400, "unsupported_parameter", "structured_outputs")
    for number in range(20):  # each another schema: none is compiled, none is kept
        yield Row("RQ14", ask(CHAT, guided_json={"properties": {f"p{number}": {}}}), 400, "unsupported_parameter", "guided_json")
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    yield Row("RQ21", ask(CHAT, tools=[tool]), 400, "unsupported_parameter", "tools")
    yield Row("RQ21", ask(CHAT, tools="f"), 400, "unsupported_parameter", "tools")
    yield Row("RQ21", ask(CHAT, tool_choice="required"), 400, "unsupported_parameter", "tool_choice")
    yield Row("RQ22", ask(CHAT, messages=[{"role": "system", "content": "a"}, {"role": "system", "content": "b"}] + HELLO), 200)
    yield Row("RQ22", ask(CHAT, messages=turn("a", name="n" * (1 << 20))), 400, value, "messages[0].name")
    yield Row("RQ22", ask(CHAT, messages=HELLO + [{"role": "assistant", "content": "well"}]), 200)
    yield Row("RQ25", ask(CHAT, max_tokens=None, ignore_eos=True, truncate_prompt_tokens=2, stop_token_ids=list(range(129))), 400, value, "stop_token_ids")


def other_apis():
    """The same kinds of faults in the other two APIs, under their names."""
    anthropic = ("RQ3", {"temperature": -1}), ("RQ5", {"max_tokens": -1}), ("RQ5", {"max_tokens": None}), ("RQ5", {"max_tokens": CONTEXT + 1}), \
        ("RQ7", {"stop_sequences": [""]}), ("RQ7", {"stop_sequences": "a"}), ("RQ10", {"messages": []}), ("RQ10", {"messages": [{"role": "system", "content": "a"}]}), \
        ("RQ11", {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:9/"}}]}]}), \
        ("RQ20", {"stream": "yes"}), ("RQ21", {"tools": [{"name": "f"}]}), ("RQ21", {"thinking": {"type": "enabled"}})
    for id, fields in anthropic:
        yield Row(id, ask(MESSAGES, **fields), 400)
    yield Row("RQ19", ask(MESSAGES, model="other"), 404)
    for id, fields, param, code in (("RQ5", {"max_output_tokens": 0}, "max_output_tokens", "invalid_value"), ("RQ6", {"top_p": 2}, "top_p", "invalid_value"),
                                    ("RQ5", {"max_output_tokens": CONTEXT + 1}, "input", "context_length_exceeded"), ("RQ10", {"input": []}, "input", "invalid_value"), ("RQ6", {"include": ["bogus"]}, "include", "invalid_value"),
                                    ("RQ6", {"parallel_tool_calls": "yes"}, "parallel_tool_calls", "invalid_value"),
                                    ("RQ11", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1:9/"}]}]},
                                     "input[0].content[0]", "unsupported_content"),
                                    ("RQ21", {"text": {"format": {"type": "json_object"}}}, "text.format", "unsupported_parameter"),
                                    ("RQ21", {"store": True}, "store", "unsupported_parameter")):
        yield Row(id, ask(RESPONSES, **fields), 400, code, param)
    yield Row("RQ19", ask(RESPONSES, model="other"), 404, "model_not_found", "model")


def raw(lines: str, body: bytes = b"") -> bytes:
    return f"POST {TEXT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{lines}\r\n".encode() + body


def http_rows():
    http = {"code": "invalid_http", "closes": True}
    for lines in ("Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: +5", "Content-Length: 0x5",
                  "Content-Length: -1", "Content-Length: 18446744073709551616", "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunked, chunked"):
        yield Row("HT1", raw(lines + "\r\n", b"0\r\n\r\n"), 400, **http)
    yield Row("HT1", f"POST {TEXT} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(), 400, **http)
    for head in (b"GET /health HTTP/1.1\nHost: localhost\n\n", b"GET /health HTTP/1.1\rHost: localhost\r\r", b"GET /health HTTP/1.1\r\nHost: localhost\n\n"):
        yield Row("HT2", head, 400, **http)  # and no byte more: it must not wait for an end that cannot come
    for head in (b"GET /health HTTP/1.1\nHost: localhost\n\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", b"GET /health HTTP/1.1\r\nHost : localhost\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n"):
        yield Row("HT2", head + b"\r\n\r\n", 400, **http)
    chunked = "Transfer-Encoding: chunked\r\n"
    yield Row("HT3", raw(chunked, b"fffffffffffffffff\r\n"), 400, **http)
    yield Row("HT3", raw(chunked, b"5;" + b"x" * 100_000), 400, **http)
    yield Row("HT3", raw(chunked, b"1\r\na\r\n" * 1_000_000 + b"0\r\n\r\n"), 400, "invalid_json")
    yield Row("HT3", raw(chunked, b"5\r\nabcdeXX0\r\n\r\n"), 400, **http)
    yield Row("HT4", b"GET /" + b"a" * (1 << 20), 414, **http)
    yield Row("HT4", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (1 << 20), 431, **http)
    yield Row("HT4", b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 10_000 + b"\r\n", 431, **http)
    yield Row("HT5", raw("Content-Length: 8388609\r\n"), 413, **http)
    yield Row("HT5", raw(chunked, (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 9), 413, **http)
    yield Row("HT7", get("/health", "Content-Length: 40\r\n") + b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 200)
    for path, method in ((TEXT, "GET"), (CHAT, "PUT"), ("/v1/models", "POST"), ("/metrics", "DELETE"), (MESSAGES, "GET"), (RESPONSES, "GET")):
        yield Row("HT8", get(path, "Content-Type: application/json\r\nContent-Length: 0\r\n", method), 405, "" if path == MESSAGES else "method_not_allowed")
    for path in ("//v1/models", "/v1/%6dodels", "/v1/../metrics", "/v1/./models", "/metrics/", "/HEALTH"):
        yield Row("HT8", get(path), 404, "not_found")
    yield Row("HT9", raw("Expect: magic\r\nContent-Length: 2\r\n"), 417, **http)
    yield Row("HT9", get("/health", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"), 400, **http)
    yield Row("HT9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, **http)
    yield Row("HT9", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64, 400, **http)
    yield Row("HT10", b"GET /v1/models HTTP/1.1\r\n\r\n", 400, **http)
    yield Row("HT10", b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400, **http)
    yield Row("HT10", b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, "host_not_allowed")
    yield Row("HT11", get(TEXT, "Origin: http://evil\r\nAccess-Control-Request-Method: POST\r\n", "OPTIONS"), 405, "method_not_allowed")
    for media in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        yield Row("HT11", post(TEXT, b"{}", "Origin: http://evil\r\n", media), 415, "unsupported_media_type")
    packed = gzip.compress(b" " * (1 << 20))
    yield Row("HT14", post(TEXT, packed, "Content-Encoding: gzip\r\n"), 415, **http)
    yield Row("EP1", get("/health", method="HEAD"), 200)
    yield Row("EP1", get("/health", "Content-Length: 2\r\n") + b"{}", 200)
    yield Row("EP1", post("/health", b"{}"), 405, "method_not_allowed")
    yield Row("EP3", post("/v1/models", b"{}"), 405, "method_not_allowed")
    for name in ("..", "../../etc/passwd", "%2e%2e", "..%2F..%2Fetc%2Fpasswd", "x" * 5000):
        yield Row("EP3", get("/v1/models/" + name), 404, "model_not_found", "model")


def key_rows():
    routes = [("GET", "/v1/models"), ("GET", "/metrics"), ("POST", TEXT), ("POST", CHAT),
              ("POST", MESSAGES), ("POST", MESSAGES + "/count_tokens"), ("POST", RESPONSES), ("POST", "/tokenize"), ("POST", "/detokenize"), ("GET", "/nowhere")]
    bad = ["", "Authorization: Bearer wrong\r\n", "Authorization: Bearer right-ke\r\n", "Authorization: Bearer right-keyy\r\n", "Authorization: right-key\r\n",
           "Authorization: Basic right-key\r\n", f"Authorization: Bearer {'k' * 10_000}\r\n", "x-api-key: right-ke\r\n", "Cookie: key=right-key\r\n"]
    for method, path in routes:
        for header in bad:
            data = get(path, header) if method == "GET" else post(path, b"{}", header)
            code = "" if path.startswith(MESSAGES) else "invalid_api_key"
            yield Row("EP3" if path == "/v1/models" else "EP4" if path == "/metrics" else "HT12", data, 401, code, key=True)
    for path in ("/health", "/ready", "/ping", "/version", "/load"):  # open, as in vLLM
        yield Row("EP1", get(path), 200, key=True)
    yield Row("EP1", post("/ping", b""), 200, key=True)
    yield Row("HT8", get("/v1/../metrics"), 401, "invalid_api_key", key=True)
    yield Row("HT12", get("/v1/models?api_key=right-key"), 401, "invalid_api_key", key=True)
    for header in ("Authorization: Bearer right-key\r\n" * 2, "x-api-key: right-key\r\n" * 2):
        yield Row("HT12", get("/v1/models", header), 400, "invalid_http", closes=True, key=True)
    for header in ("Authorization: Bearer right-key\r\n", "x-api-key: right-key\r\n"):
        yield Row("HT12", get("/v1/models", header), 200, key=True)
    yield Row("HT12", get("/health"), 200, key=True)


def rows() -> list[Row]:
    return [*http_rows(), *request_rows(), *key_rows()]
