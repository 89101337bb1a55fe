"""The chat completions of OpenAI's own client against a server of an assistant: tools, schemas, reasoning.

Usage: openai_chat.py HOST:PORT
"""

import json
import sys

import openai
from pydantic import BaseModel

client = openai.OpenAI(base_url=f"http://{sys.argv[1]}/v1", api_key="none", max_retries=0)


class Place(BaseModel):
    city: str
    degrees: int


class Weather(BaseModel):
    city: str


TOOL = openai.pydantic_function_tool(Weather, name="weather")
asked = [{"role": "user", "content": "weather in Paris and Oslo"}]


def create(**more):
    return client.chat.completions.create(model="assistant", **more)


def run(calls):
    return [{"role": "tool", "tool_call_id": call.id, "content": f"sun in {json.loads(call.function.arguments)['city']}"} for call in calls]


choice = create(messages=asked, tools=[TOOL]).choices[0]
assert choice.finish_reason == "tool_calls" and [call.function.name for call in choice.message.tool_calls] == ["weather", "weather"], choice
said = "The tools say: sun in Paris, sun in Oslo"
history = [*asked, choice.message, *run(choice.message.tool_calls)]
assert create(messages=history, tools=[TOOL]).choices[0].message.content == said

with client.chat.completions.stream(model="assistant", messages=asked, tools=[TOOL]) as stream:
    done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
    final = stream.get_final_completion().choices[0]
assert [event.parsed_arguments for event in done] == [Weather(city="Paris"), Weather(city="Oslo")], done
assert final.finish_reason == "tool_calls", final
assert create(messages=[*asked, final.message.to_dict(), *run(final.message.tool_calls)], tools=[TOOL]).choices[0].message.content == said

forced = create(messages=[{"role": "user", "content": "hello"}], tools=[TOOL], tool_choice={"type": "function", "function": {"name": "weather"}})
assert len(forced.choices[0].message.tool_calls) == 1, forced

where = [{"role": "user", "content": "where?"}]
parsed = client.chat.completions.parse(model="assistant", messages=where, response_format=Place)
assert parsed.choices[0].message.parsed == Place(city="Paris", degrees=21), parsed
# What was parsed goes back with the message.
again = create(messages=[*where, parsed.choices[0].message, {"role": "user", "content": "and now?"}])
assert again.choices[0].message.content == "You said: and now?", again

thinks = [{"role": "user", "content": "think about it"}]
message = create(messages=thinks).choices[0].message
assert (message.content, message.reasoning_content) == ("You said: think about it", "Let me see."), message
pieces = [piece.choices[0].delta for piece in create(messages=thinks, stream=True)]
assert "".join(getattr(piece, "reasoning_content", None) or "" for piece in pieces) == "Let me see."
assert "".join(piece.content or "" for piece in pieces) == "You said: think about it"

for text, kind in [("refuse", openai.BadRequestError), ("busy", openai.RateLimitError), ("explode", openai.InternalServerError)]:
    try:
        create(messages=[{"role": "user", "content": text}])
    except kind:
        continue
    raise AssertionError(kind)
