"""Instructor, which has answers filled into classes, by way of responses and of chat completions.

Usage: instructor_client.py HOST:PORT
"""

import sys

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    degrees: int


def make(mode):
    client = openai.OpenAI(base_url=f"http://{sys.argv[1]}/v1", api_key="none", max_retries=0)
    return instructor.from_openai(client, mode=mode)


client = make(instructor.Mode.RESPONSES_TOOLS)
place = client.responses.create(model="assistant", input="where?", response_model=Place, max_retries=1)
assert (place.city, place.degrees) == ("Paris", 21), place
place, whole = client.responses.create_with_completion(model="assistant", input="where?", response_model=Place)
assert (place.city, place.degrees) == ("Paris", 21) and whole.output[0].type == "function_call", whole
for asked in ["refuse", "busy"]:
    try:
        client.responses.create(model="assistant", input=asked, response_model=Place, max_retries=1)
    except InstructorRetryException as error:
        assert "the context has" in str(error) or "queue is full" in str(error), error
        continue
    raise AssertionError(asked)

where = [{"role": "user", "content": "where?"}]
for mode in [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS_STRICT]:
    place = make(mode).chat.completions.create(model="assistant", messages=where, response_model=Place, max_retries=1)
    assert (place.city, place.degrees) == ("Paris", 21), (mode, place)

pieces = list(make(instructor.Mode.TOOLS).chat.completions.create_partial(model="assistant", messages=where, response_model=Place, max_retries=1))
assert len(pieces) > 1 and (pieces[-1].city, pieces[-1].degrees) == ("Paris", 21), pieces
assert pieces[0].degrees is None, pieces
