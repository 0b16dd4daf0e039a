"""LangChain's OpenAI classes against a running server: answers, streams, batches, log probabilities, both APIs, errors.

Usage: langchain_client.py URL MODEL      URL as in http://127.0.0.1:8000/v1
"""

import asyncio
import sys

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI


def main(url: str, model: str):
    def chat(**fields):
        return ChatOpenAI(base_url=url, api_key="none", model=model, temperature=0, max_retries=0, **({"max_tokens": 24} | fields))

    question = [SystemMessage("Answer briefly."), HumanMessage("Name a colour.")]
    answer = chat().invoke(question)
    assert answer.content and answer.usage_metadata["output_tokens"] <= 24, answer
    assert answer.response_metadata["finish_reason"] in ("stop", "length"), answer
    print("invoke:", answer.content)

    pieces = list(chat(stream_usage=True).stream(question))
    assert "".join(p.content for p in pieces) == answer.content, pieces
    total = pieces[0]
    for piece in pieces[1:]:
        total += piece
    assert total.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"], total.usage_metadata

    chain = ChatPromptTemplate.from_messages([("system", "Answer briefly."), ("human", "Name a {thing}.")]) | chat() | StrOutputParser()
    texts = chain.batch([{"thing": t} for t in ("colour", "city", "river", "bird")], {"max_concurrency": 4})
    assert len(texts) == 4 and all(texts), texts
    print("batch:", texts)

    async def together():
        return await asyncio.gather(*(chain.ainvoke({"thing": "colour"}) for _ in range(8)))

    assert len(asyncio.run(together())) == 8

    scored = chat(logprobs=True, top_logprobs=2, stop=["."]).invoke(question + [AIMessage("Red."), HumanMessage("Another.")])
    assert scored.response_metadata["logprobs"]["content"], scored

    newer = chat(use_responses_api=True, max_tokens=None, max_completion_tokens=24).invoke(question)
    assert newer.text and newer.usage_metadata["output_tokens"] <= 24, newer
    streamed = "".join(p.text for p in chat(use_responses_api=True).stream(question))
    assert streamed == newer.text, (streamed, newer.text)
    print("responses:", newer.text)

    plain = OpenAI(base_url=url, api_key="none", model=model, temperature=0, max_tokens=12)
    assert plain.invoke("The capital of France is") == "".join(plain.stream("The capital of France is"))

    try:
        chat().bind_tools([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]).invoke(question)
        raise AssertionError("tools are not supported, so they must be refused")
    except openai.BadRequestError as error:
        assert error.param == "tools", error


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("langchain: all as expected")
