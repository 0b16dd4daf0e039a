"""Anthropic's client against a running server: a message, a stream, a begun answer, counted tokens, an error.

Usage: anthropic_client.py URL MODEL      URL as in http://127.0.0.1:8000/v1
"""

import sys

import anthropic


def main(url: str, model: str):
    client = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="none", max_retries=0)
    ask = {"model": model, "max_tokens": 24, "system": "Answer briefly.", "messages": [{"role": "user", "content": "Name a colour."}],
           "extra_body": {"temperature": 0}}
    answer = client.messages.create(**ask)
    print("message:", answer.content[0].text, answer.usage)
    with client.messages.stream(**ask) as stream:
        assert "".join(stream.text_stream) == answer.content[0].text

    counted = client.messages.count_tokens(model=model, system=ask["system"], messages=ask["messages"])
    assert counted.input_tokens == answer.usage.input_tokens + answer.usage.cache_read_input_tokens, (counted, answer.usage)

    begun = client.messages.create(**ask | {"messages": ask["messages"] + [{"role": "assistant", "content": "My favourite colour is"}]})
    print("begun: My favourite colour is ..." + begun.content[0].text)
    stopped = client.messages.create(**ask, stop_sequences=[" "])
    assert stopped.stop_reason == "stop_sequence" and " " not in stopped.content[0].text, stopped

    try:
        client.messages.create(**ask, tools=[{"name": "f", "input_schema": {"type": "object"}}])
        raise AssertionError("tools are not supported, so they must be refused")
    except anthropic.BadRequestError as error:
        print("refused:", error.body["error"]["message"])


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("anthropic: all as expected")
