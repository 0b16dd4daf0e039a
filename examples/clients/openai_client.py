"""OpenAI's client against a running server: chat, text and responses, whole and as streams, and an error.

Usage: openai_client.py URL MODEL      URL as in http://127.0.0.1:8000/v1
"""

import sys

import openai


def main(url: str, model: str):
    client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)
    ask = {"model": model, "messages": [{"role": "user", "content": "Name a colour."}], "temperature": 0, "max_tokens": 24}
    answer = client.chat.completions.create(**ask)
    text = answer.choices[0].message.content
    print("chat:", text, answer.usage)
    assert "".join(c.choices[0].delta.content for c in client.chat.completions.create(**ask, stream=True)) == text

    plain = client.completions.create(model=model, prompt="The capital of France is", temperature=0, max_tokens=8, logprobs=2)
    print("completion:", plain.choices[0].text)
    assert len(plain.choices[0].logprobs.tokens) == plain.usage.completion_tokens

    newer = client.responses.create(model=model, input="Name a colour.", temperature=0, max_output_tokens=24)
    assert newer.output_text == text, newer
    with client.responses.stream(model=model, input="Name a colour.", temperature=0, max_output_tokens=24) as stream:
        assert "".join(e.delta for e in stream if e.type == "response.output_text.delta") == text

    try:
        client.chat.completions.create(**ask | {"temperature": -1})
        raise AssertionError("a temperature below 0 must be refused")
    except openai.BadRequestError as error:
        print("refused:", error.param, error.body["message"])


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("openai: all as expected")
