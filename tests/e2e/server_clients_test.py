"""Anthropic's client on /v1/messages and OpenAI's on /v1/responses: answers, events and errors by the makers' own types."""

import json
import unittest

import mock_server
from mock_server import letters

try:
    import anthropic
    import openai
    import pydantic
    from anthropic.types import Message, RawMessageStreamEvent
    from openai.types.responses import Response, ResponseStreamEvent
except ImportError:
    anthropic = None

HELLO = [{"role": "user", "content": "hello"}]


def events_of(server, path: str, body: dict) -> list[tuple[str, dict]]:
    """Name and payload of each event, read from the socket without a client in between."""
    with server.connect() as sock:
        sock.sendall(mock_server.request(path, body | {"stream": True}, "Authorization: Bearer k1\r\nConnection: close\r\n"))
        data = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, rest = data.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], data
    text = b""
    while rest and (size := int(rest.split(b"\r\n", 1)[0], 16)):
        rest = rest.split(b"\r\n", 1)[1]
        text, rest = text + rest[:size], rest[size + 2:]
    out = []
    for block in text.decode().split("\n\n")[:-1]:
        name, payload = block.split("\n")
        out.append((name.removeprefix("event: "), json.loads(payload.removeprefix("data: "))))
    return out


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = mock_server.MockServer("--api-key", "k1", "--context", 1000).__enter__()
        cls.anthropic = anthropic.Anthropic(base_url=cls.server.url, api_key="k1", max_retries=0)
        cls.openai = openai.OpenAI(base_url=cls.server.url + "/v1", api_key="k1", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.anthropic.close()
        cls.openai.close()
        cls.server.__exit__()


@unittest.skipUnless(anthropic and mock_server.PROGRAM.exists(), "needs the anthropic and openai packages and llmc-mock-server")
class AnthropicClient(Clients):
    def create(self, **fields):
        return self.anthropic.messages.create(**{"model": "mock", "max_tokens": 9, "messages": HELLO} | fields)

    def test_message(self):
        answer = self.create(system=[{"type": "text", "text": "be brief"}], metadata={"user_id": "u"},
                             extra_body={"temperature": 0.5, "top_k": 3})  # this client no longer names them
        self.assertEqual((answer.type, answer.role, answer.model, answer.stop_reason), ("message", "assistant", "mock", "max_tokens"))
        self.assertEqual(len(answer.content[0].text), 9)
        self.assertEqual(answer.usage.output_tokens, 9)
        self.assertTrue(answer._request_id)
        Message.model_validate(answer.model_dump(), strict=True)

    def test_stop_sequences(self):
        first = ord(self.create(max_tokens=1).content[0].text) - 97
        stop = letters(first + 3, 2)
        answer = self.create(max_tokens=100, stop_sequences=["zzz", stop])
        self.assertEqual((answer.content[0].text, answer.stop_reason, answer.stop_sequence), (letters(first, 3), "stop_sequence", stop))

    def test_stream(self):
        with self.anthropic.messages.stream(model="mock", max_tokens=30, messages=HELLO) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(text, letters(ord(text[0]) - 97, 30))
        self.assertEqual(final.content[0].text, text)
        self.assertEqual((final.usage.output_tokens, final.stop_reason), (30, "max_tokens"))
        self.assertEqual(final.usage.input_tokens, self.create().usage.input_tokens)

    def test_events_are_of_the_makers_types(self):
        events = events_of(self.server, "/v1/messages", {"max_tokens": 3, "messages": HELLO})
        names = [name for name, _ in events]
        self.assertEqual(names, ["message_start", "content_block_start", "ping"] + ["content_block_delta"] * 3 +
                         ["content_block_stop", "message_delta", "message_stop"])
        check = pydantic.TypeAdapter(RawMessageStreamEvent)
        for name, payload in events:
            self.assertEqual(payload["type"], name)
            if name != "ping":  # the client's types leave it out
                check.validate_python(payload, strict=True)

    def test_count_tokens(self):
        counted = self.anthropic.messages.count_tokens(model="mock", messages=HELLO, system="be brief")
        self.assertEqual(counted.input_tokens, self.create(system="be brief").usage.input_tokens)

    def test_cached_tokens_are_not_input_tokens(self):
        usage = self.create(extra_body={"cache_salt": "mock:cached@2"}).usage
        self.assertEqual(usage.cache_read_input_tokens, 2)
        self.assertEqual(usage.input_tokens + 2, self.create().usage.input_tokens)

    def test_the_key_may_be_a_bearer_token(self):
        with anthropic.Anthropic(base_url=self.server.url, auth_token="k1", max_retries=0) as client:
            self.assertEqual([m.id for m in client.models.list()], ["mock", "mock-alias"])
        for wrong in ({"api_key": "k2"}, {"auth_token": "k2"}):
            with anthropic.Anthropic(base_url=self.server.url, max_retries=0, **wrong) as client:
                with self.assertRaises(anthropic.AuthenticationError):
                    client.messages.create(model="mock", max_tokens=1, messages=HELLO)

    def test_errors_are_the_clients_own(self):
        salt = lambda word: {"extra_body": {"cache_salt": "mock:" + word}}
        for fields, error, kind in (({"extra_body": {"temperature": -1}}, anthropic.BadRequestError, "invalid_request_error"),
                                    ({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
                                    ({"model": "other"}, anthropic.NotFoundError, "not_found_error"),
                                    (salt("full"), anthropic.RateLimitError, "rate_limit_error"),
                                    (salt("down"), anthropic.InternalServerError, "overloaded_error"),
                                    (salt("nan@0"), anthropic.InternalServerError, "api_error")):
            with self.subTest(fields), self.assertRaises(error) as caught:
                self.create(**fields)
            self.assertEqual((caught.exception.body["type"], caught.exception.body["error"]["type"]), ("error", kind))
        with self.assertRaises(anthropic.APIStatusError) as caught:
            list(self.create(stream=True, **salt("fail@3")))
        self.assertEqual(caught.exception.body["error"]["type"], "overloaded_error")

    def test_what_is_not_supported_is_refused_by_name(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        for fields, name in (({"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, "tools"),
                             ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "thinking"),
                             ({"messages": [{"role": "user", "content": [image]}]}, "image")):
            with self.subTest(name), self.assertRaises(anthropic.BadRequestError) as caught:
                self.create(**fields)
            self.assertIn(name, caught.exception.body["error"]["message"])


@unittest.skipUnless(anthropic and mock_server.PROGRAM.exists(), "needs the anthropic and openai packages and llmc-mock-server")
class OpenAiResponses(Clients):
    def create(self, **fields):
        return self.openai.responses.create(**{"model": "mock", "input": "hello", "max_output_tokens": 9} | fields)

    def test_response(self):
        answer = self.create(instructions="be brief", metadata={"a": "b"}, temperature=0.5, store=False)
        self.assertEqual((answer.status, answer.incomplete_details.reason), ("incomplete", "max_output_tokens"))
        self.assertEqual(len(answer.output_text), 9)
        self.assertEqual((answer.metadata, answer.temperature, answer.instructions, answer.store), ({"a": "b"}, 0.5, "be brief", False))
        self.assertEqual((answer.usage.output_tokens, answer.usage.output_tokens_details.reasoning_tokens), (9, 0))
        self.assertEqual(self.create(extra_body={"cache_salt": "mock:cached@2"}).usage.input_tokens_details.cached_tokens, 2)

    def test_a_conversation_goes_on(self):
        first = self.create(input=HELLO)
        items = HELLO + [item.model_dump() for item in first.output] + [{"role": "user", "content": [{"type": "input_text", "text": "more"}]}]
        self.assertGreater(self.create(input=items).usage.input_tokens, first.usage.input_tokens)

    def test_stop(self):
        answer = self.create(extra_body={"allowed_token_ids": [104, 262]})
        self.assertEqual((answer.status, answer.output_text, answer.incomplete_details), ("completed", "h", None))

    def test_logprobs(self):
        answer = self.create(include=["message.output_text.logprobs"], top_logprobs=2)
        entries = answer.output[0].content[0].logprobs
        self.assertEqual("".join(e.token for e in entries), answer.output_text)
        self.assertEqual({len(e.top_logprobs) for e in entries}, {2})

    def test_stream(self):
        with self.openai.responses.stream(model="mock", input="hello", max_output_tokens=30) as stream:
            text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        self.assertEqual(text, letters(ord(text[0]) - 97, 30))
        last = list(self.create(stream=True, max_output_tokens=30))[-1]
        self.assertEqual((last.type, last.response.output_text, last.response.usage.output_tokens), ("response.incomplete", text, 30))

    def test_events_are_of_the_makers_types(self):
        body = {"input": "hello", "max_output_tokens": 3, "top_logprobs": 2}
        events = events_of(self.server, "/v1/responses", body)
        self.assertEqual([name for name, _ in events], [
            "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
            *["response.output_text.delta"] * 3, "response.output_text.done", "response.content_part.done",
            "response.output_item.done", "response.incomplete"])
        check = pydantic.TypeAdapter(ResponseStreamEvent)
        for number, (name, payload) in enumerate(events):
            self.assertEqual((payload["type"], payload["sequence_number"]), (name, number))
            check.validate_python(payload)
        Response.model_validate(events[-1][1]["response"])

    def test_errors_are_the_clients_own(self):
        salt = lambda word: {"extra_body": {"cache_salt": "mock:" + word}}
        for fields, error, param, code in (({"temperature": -1}, openai.BadRequestError, "temperature", "invalid_value"),
                                           ({"model": "other"}, openai.NotFoundError, "model", "model_not_found"),
                                           ({"input": "x" * 2000}, openai.BadRequestError, "input", "context_length_exceeded"),
                                           ({"store": True}, openai.BadRequestError, "store", "unsupported_parameter"),
                                           ({"previous_response_id": "r"}, openai.BadRequestError, "previous_response_id", "unsupported_parameter"),
                                           (salt("full"), openai.RateLimitError, None, "queue_full")):
            with self.subTest(fields), self.assertRaises(error) as caught:
                self.create(**fields)
            self.assertEqual((caught.exception.param, caught.exception.code), (param, code))
        with self.assertRaises(openai.APIError) as caught:
            list(self.create(stream=True, **salt("fail@3")))
        self.assertEqual(caught.exception.body["code"], "engine_unavailable")


if __name__ == "__main__":
    unittest.main()
