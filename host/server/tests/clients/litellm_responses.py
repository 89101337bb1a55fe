"""LiteLLM's responses.

Usage: litellm_responses.py HOST:PORT
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


def create(**more):
    return litellm.responses(model="openai/assistant", api_base=f"http://{sys.argv[1]}/v1", api_key="none", max_retries=0, **more)


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

for asked, kind in [("refuse", litellm.BadRequestError), ("busy", litellm.RateLimitError), ("explode", litellm.InternalServerError)]:
    try:
        create(input=asked)
    except kind:
        continue
    raise AssertionError(kind)
