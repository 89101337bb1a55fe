"""Instructor, which has answers filled into classes by way of responses.

Usage: instructor_responses.py HOST:PORT
"""

import sys

import instructor
import openai
from instructor.core import InstructorRetryException
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    degrees: int


def make(client):
    return instructor.from_openai(client(base_url=f"http://{sys.argv[1]}/v1", api_key="none", max_retries=0), mode=instructor.Mode.RESPONSES_TOOLS)


client = make(openai.OpenAI)
place = client.responses.create(model="assistant", input="where?", response_model=Place, max_retries=1)
assert (place.city, place.degrees) == ("Paris", 21), place
place, whole = client.responses.create_with_completion(model="assistant", input="where?", response_model=Place)
assert (place.city, place.degrees) == ("Paris", 21) and whole.output[0].type == "function_call", whole
for asked in ["refuse", "busy"]:
    try:
        client.responses.create(model="assistant", input=asked, response_model=Place, max_retries=1)
    except InstructorRetryException as error:
        assert "the context holds" in str(error) or "queue is full" in str(error), error
        continue
    raise AssertionError(asked)
