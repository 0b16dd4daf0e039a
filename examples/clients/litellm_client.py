"""LiteLLM against a running server, through its OpenAI, text and Anthropic providers: answers, streams, errors.

Usage: litellm_client.py URL MODEL      URL as in http://127.0.0.1:8000/v1
"""

import asyncio
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # prices from the package, not from the network
import litellm  # noqa: E402

litellm.telemetry = False


def main(url: str, model: str):
    messages = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": "Name a colour."}]
    common = {"api_key": "none", "temperature": 0, "max_tokens": 24}
    ask = {"model": "openai/" + model, "api_base": url, "messages": messages} | common

    answer = litellm.completion(**ask)
    text = answer.choices[0].message.content
    assert text and answer.usage.completion_tokens <= 24, answer
    print("completion:", text)

    pieces = list(litellm.completion(**ask, stream=True, stream_options={"include_usage": True}))
    assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices) == text
    assert pieces[-1].usage.completion_tokens == answer.usage.completion_tokens

    async def together():
        return await asyncio.gather(*(litellm.acompletion(**ask) for _ in range(8)))

    assert len(asyncio.run(together())) == 8

    plain = litellm.text_completion(model="text-completion-openai/" + model, api_base=url, prompt="The capital of France is", **common)
    assert plain.choices[0].text, plain
    hosted = litellm.completion(**ask | {"model": "hosted_vllm/" + model})
    assert hosted.choices[0].message.content == text

    newer = litellm.responses(model="openai/" + model, input="Name a colour.", api_base=url, api_key="none", max_output_tokens=24)
    assert newer.output[0].content[0].text, newer
    print("responses:", newer.output[0].content[0].text)

    other = litellm.completion(**ask | {"model": "anthropic/" + model, "api_base": url.removesuffix("/v1")})
    assert other.choices[0].message.content == text, other
    streamed = litellm.completion(**ask | {"model": "anthropic/" + model, "api_base": url.removesuffix("/v1")}, stream=True)
    assert "".join(p.choices[0].delta.content or "" for p in streamed) == text
    print("anthropic:", other.choices[0].message.content)

    for fields, error in (({"temperature": -1}, litellm.BadRequestError), ({"model": "openai/other"}, litellm.NotFoundError),
                          ({"messages": [{"role": "user", "content": "word " * 20000}]}, litellm.ContextWindowExceededError)):
        try:
            litellm.completion(**ask | fields, num_retries=0)
            raise AssertionError(f"{fields}: no error")
        except error:
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("litellm: all as expected")
