"""LiteLLM's responses and chat completions.

Usage: litellm_client.py HOST:PORT
"""

import json
import os
import sys

# Prices are no matter here, and are not to be fetched.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402
from pydantic import BaseModel  # noqa: E402

TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
}


class Place(BaseModel):
    city: str
    degrees: int


SERVER = {"model": "openai/assistant", "api_base": f"http://{sys.argv[1]}/v1", "api_key": "none", "max_retries": 0}


def create(**more):
    return litellm.responses(**SERVER, **more)


def chat(messages, **more):
    return litellm.completion(**SERVER, messages=messages, **more)


def text(response):
    return "".join(part.text for item in response.output if item.type == "message" for part in item.content)


whole = create(input="think about it", instructions="short")
assert text(whole) == "You said: think about it" and whole.output[0].type == "reasoning", whole
assert whole.usage.output_tokens_details.reasoning_tokens == 3, whole.usage
events = list(create(input="hello there", stream=True))
assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "You said: hello there"
assert events[-1].type == "response.completed", events[-1]

first = create(input="weather in Paris and Oslo", tools=[TOOL])
calls = [item for item in first.output if item.type == "function_call"]
assert [json.loads(call.arguments)["city"] for call in calls] == ["Paris", "Oslo"], first
outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": "sun"} for call in calls]
said = "The tools say: sun, sun"
assert text(create(input=outputs, previous_response_id=first.id, tools=[TOOL])) == said
history = [{"role": "user", "content": "weather in Paris and Oslo"}, *(dict(call) for call in calls), *outputs]
assert text(create(input=history, store=False, tools=[TOOL])) == said

parsed = create(input="where?", text_format=Place)
assert Place.model_validate_json(text(parsed)) == Place(city="Paris", degrees=21), parsed

asked = [{"role": "user", "content": "weather in Paris and Oslo"}]
tools = [{"type": "function", "function": {name: value for name, value in TOOL.items() if name != "type"}}]
message = chat(asked, tools=tools).choices[0].message
assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == ["Paris", "Oslo"], message
pieces = list(chat(asked, tools=tools, stream=True))
assert litellm.stream_chunk_builder(pieces).choices[0].message.tool_calls == message.tool_calls, pieces
outputs = [{"role": "tool", "tool_call_id": call.id, "content": "sun"} for call in message.tool_calls]
assert chat([*asked, message, *outputs], tools=tools).choices[0].message.content == said
thought = chat([{"role": "user", "content": "think about it"}]).choices[0].message
assert (thought.content, thought.reasoning_content) == ("You said: think about it", "Let me see."), thought
placed = chat([{"role": "user", "content": "where?"}], response_format=Place).choices[0].message
assert Place.model_validate_json(placed.content) == Place(city="Paris", degrees=21), placed

for asked, kind in [("refuse", litellm.BadRequestError), ("busy", litellm.RateLimitError), ("explode", litellm.InternalServerError)]:
    for call in [lambda: create(input=asked), lambda: chat([{"role": "user", "content": asked}])]:
        try:
            call()
        except kind:
            continue
        raise AssertionError(kind)
