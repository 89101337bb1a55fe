"""The responses of OpenAI's own client against a server of an assistant.

Usage: openai_responses.py HOST:PORT
"""

import json
import sys

import openai
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"http://{sys.argv[1]}/v1", api_key="none", max_retries=0)
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "The weather now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
    "strict": True,
}


class Place(BaseModel):
    city: str
    degrees: int


def create(**more):
    return client.responses.create(model="assistant", **more)


def run(calls):
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"sun in {json.loads(call.arguments)['city']}"}
        for call in calls
        if call.type == "function_call"
    ]


# Whole, with what the model thought.
whole = create(input="think about it", instructions="short", metadata={"team": "a"})
assert whole.output_text == "You said: think about it" and whole.status == "completed", whole
assert [item.type for item in whole.output] == ["reasoning", "message"]
assert whole.output[0].content[0].text == "Let me see."
assert whole.usage.output_tokens_details.reasoning_tokens == 3 and whole.usage.total_tokens > whole.usage.output_tokens
assert whole.metadata == {"team": "a"} and whole.usage.input_tokens_details.cached_tokens > 0

# Streamed, through the helper that puts the response together again.
with client.responses.stream(model="assistant", input="think about it") as stream:
    events = list(stream)
    final = stream.get_final_response()
assert final.output_text == whole.output_text and [item.type for item in final.output] == ["reasoning", "message"]
assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
assert "".join(event.delta for event in events if event.type == "response.reasoning_text.delta") == "Let me see."
raw = list(create(input="hello", stream=True))
assert [event.sequence_number for event in raw] == list(range(len(raw)))
assert raw[0].type == "response.created" and raw[-1].type == "response.completed"

# A round of tools that the server remembers, one that the client sends back, and one that is streamed.
asked = "weather in Paris and Oslo"
first = create(input=asked, tools=[TOOL])
assert [item.name for item in first.output] == ["weather", "weather"], first.output
said = "The tools say: sun in Paris, sun in Oslo"
assert create(input=run(first.output), previous_response_id=first.id, tools=[TOOL]).output_text == said
history = [{"role": "user", "content": asked}, *first.output, *run(first.output)]
assert create(input=history, store=False, tools=[TOOL]).output_text == said
dumped = [{"role": "user", "content": asked}, *(item.model_dump() for item in first.output), *run(first.output)]
assert create(input=dumped, store=False, tools=[TOOL]).output_text == said
with client.responses.stream(model="assistant", input=asked, tools=[TOOL]) as stream:
    done = [event for event in stream if event.type == "response.function_call_arguments.done"]
    assert [json.loads(event.arguments)["city"] for event in done] == ["Paris", "Oslo"]
    assert create(input=run(stream.get_final_response().output), previous_response_id=stream.get_final_response().id).output_text == said
forced = create(input="hello", tools=[TOOL], tool_choice={"type": "function", "name": "weather"}, parallel_tool_calls=False)
assert [item.type for item in forced.output] == ["function_call"]

# Thoughts that are sent back.
again = create(input=[*whole.output, {"role": "user", "content": "and now?"}])
assert again.output_text == "You said: and now?"

# By a schema.
parsed = client.responses.parse(model="assistant", input="where?", text_format=Place)
assert parsed.output_parsed == Place(city="Paris", degrees=21), parsed
with client.responses.stream(model="assistant", input="where?", text_format=Place) as stream:
    assert stream.get_final_response().output_parsed == Place(city="Paris", degrees=21)

# Log-probabilities, and an answer that is cut.
measured = create(input="hello", include=["message.output_text.logprobs"], top_logprobs=2)
assert all(len(token.top_logprobs) == 2 for token in measured.output[0].content[0].logprobs)
cut = create(input="one two three", max_output_tokens=3)
assert cut.status == "incomplete" and cut.incomplete_details.reason == "max_output_tokens", cut

# What is kept.
assert client.responses.retrieve(whole.id) == whole
items = list(client.responses.input_items.list(create(input="more", previous_response_id=again.id).id, limit=2, order="asc"))
assert [item.type for item in items] == ["reasoning", "message", "message", "message", "message"], items
client.responses.delete(whole.id)

for call, kind, param in [
    (lambda: client.responses.retrieve(whole.id), openai.NotFoundError, None),
    (lambda: create(input="a", previous_response_id=whole.id), openai.BadRequestError, "previous_response_id"),
    (lambda: client.responses.create(model="other", input="a"), openai.NotFoundError, None),
    (lambda: create(input="a", tools=[{"type": "web_search"}]), openai.BadRequestError, "tools[0].type"),
    (lambda: create(input="a", background=True), openai.BadRequestError, "background"),
    (lambda: create(input="refuse"), openai.BadRequestError, "input"),
    (lambda: create(input="busy"), openai.RateLimitError, None),
    (lambda: create(input="explode"), openai.InternalServerError, None),
]:
    try:
        call()
    except kind as error:
        assert error.param == param, error
        continue
    raise AssertionError(kind)
failed = list(create(input="explode", stream=True))[-1]
assert failed.type == "response.failed" and failed.response.error.message == "it exploded", failed
