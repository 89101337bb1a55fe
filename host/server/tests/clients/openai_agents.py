"""An agent of OpenAI's Agents SDK, whose model makes responses.

Usage: openai_agents.py HOST:PORT
"""

import asyncio
import sys

import openai
from agents import Agent, ModelSettings, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from pydantic import BaseModel

set_tracing_disabled(True)
client = openai.AsyncOpenAI(base_url=f"http://{sys.argv[1]}/v1", api_key="none", max_retries=0)
model = OpenAIResponsesModel(model="assistant", openai_client=client)
asked = []


class Place(BaseModel):
    city: str
    degrees: int


@function_tool
def weather(city: str) -> str:
    """The weather now."""
    asked.append(city)
    return f"sun in {city}"


async def main():
    plain = Agent(name="plain", instructions="short", model=model)
    first = await Runner.run(plain, "think about it")
    assert first.final_output == "You said: think about it", first
    assert first.context_wrapper.usage.output_tokens > 3
    # The next turn sends the thoughts and the answer of the one before.
    second = await Runner.run(plain, [*first.to_input_list(), {"role": "user", "content": "and now?"}])
    assert second.final_output == "You said: and now?", second
    chained = await Runner.run(plain, "and then?", previous_response_id=second.last_response_id)
    assert chained.final_output == "You said: and then?", chained

    tools = Agent(name="tools", model=model, tools=[weather], model_settings=ModelSettings(parallel_tool_calls=True, temperature=0))
    ran = await Runner.run(tools, "weather in Paris and Oslo")
    assert sorted(asked) == ["Oslo", "Paris"], asked
    assert ran.final_output == "The tools say: sun in Paris, sun in Oslo", ran
    streamed, text, names = Runner.run_streamed(tools, "weather in Oslo"), "", []
    async for event in streamed.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
        elif event.type == "run_item_stream_event":
            names.append(event.name)
    assert text == streamed.final_output == "The tools say: sun in Oslo", (text, streamed)
    assert names == ["tool_called", "tool_output", "message_output_created"], names

    typed = await Runner.run(Agent(name="typed", model=model, output_type=Place), "where?")
    assert typed.final_output == Place(city="Paris", degrees=21), typed

    helper = Agent(name="helper", model=model, handoff_description="answers")
    handed = await Runner.run(Agent(name="first", model=model, handoffs=[helper]), "weather")
    assert handed.last_agent.name == "helper", handed

    for text, kind in [("refuse", openai.BadRequestError), ("busy", openai.RateLimitError), ("explode", openai.InternalServerError)]:
        try:
            await Runner.run(plain, text)
        except kind:
            continue
        raise AssertionError(kind)


asyncio.run(main())
