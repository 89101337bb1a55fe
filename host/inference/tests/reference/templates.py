"""What Hugging Face's transformers makes of chat templates.

Usage: templates.py; one JSON task on standard input, its answer on standard output.
{"templates": [source, …], "cases": [{"messages", …}, …], "now": seconds} -> [[{"text"} or {"refused"}, …] of each template]
A case is what the template is given; `tools` may be missing.
"""

import datetime
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"

from transformers.utils import chat_template_utils

task = json.load(sys.stdin)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(task["now"], datetime.timezone.utc).replace(tzinfo=None)


chat_template_utils.datetime = Clock


def render(source, case):
    # What it is given is made anew: a template could change it.
    case = json.loads(json.dumps(case))
    given = {"add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", **case}
    messages = given.pop("messages")
    try:
        texts, _ = chat_template_utils.render_jinja_template([messages], chat_template=source, **given)
        return {"text": texts[0]}
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"}


json.dump([[render(source, case) for case in task["cases"]] for source in task["templates"]], sys.stdout)
