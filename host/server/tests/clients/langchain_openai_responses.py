"""LangChain's model for OpenAI's API, which makes responses.

Usage: langchain_openai_responses.py HOST:PORT
"""

import sys

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


@tool
def weather(city: str) -> str:
    """The weather now."""
    return f"sun in {city}"


def make(**more):
    address = f"http://{sys.argv[1]}/v1"
    return ChatOpenAI(model="assistant", base_url=address, api_key="none", max_retries=0, use_responses_api=True, **more)


for version in ["v0", "responses/v1", "v1"]:
    model = make(output_version=version, temperature=0)
    thought = model.invoke([("system", "short"), ("user", "think about it")])
    assert thought.text == "You said: think about it", (version, thought)
    assert thought.usage_metadata["output_token_details"]["reasoning"] == 3, thought.usage_metadata
    assert "".join(piece.text for piece in model.stream("hello there")) == "You said: hello there", version
    # What was thought and said goes back with the next question.
    again = model.invoke([HumanMessage("think about it"), thought, HumanMessage("and now?")])
    assert again.text == "You said: and now?", (version, again)

    asked = [HumanMessage("weather in Paris and Oslo")]
    bound = model.bind_tools([weather], strict=True)
    called = bound.invoke(asked)
    assert [call["args"] for call in called.tool_calls] == [{"city": "Paris"}, {"city": "Oslo"}], (version, called)
    whole = None
    for piece in bound.stream(asked):
        whole = piece if whole is None else whole + piece
    assert [call["args"] for call in whole.tool_calls] == [{"city": "Paris"}, {"city": "Oslo"}], (version, whole)
    for calls in (called, whole):
        outputs = [weather.invoke(call) for call in calls.tool_calls]
        assert all(isinstance(output, ToolMessage) for output in outputs)
        assert bound.invoke([*asked, calls, *outputs]).text == "The tools say: sun in Paris, sun in Oslo", (version, calls)

chained = make(use_previous_response_id=True)
first = chained.invoke("one")
assert chained.invoke([HumanMessage("one"), first, HumanMessage("two")]).text == "You said: two"

for method in ["json_schema", "function_calling"]:
    assert make().with_structured_output(Place, method=method).invoke("where?") == Place(city="Paris", degrees=21), method

for text, kind in [("refuse", openai.BadRequestError), ("busy", openai.RateLimitError), ("explode", openai.InternalServerError)]:
    try:
        make().invoke(text)
    except kind:
        continue
    raise AssertionError(kind)
