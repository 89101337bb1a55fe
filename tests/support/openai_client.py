"""OpenAI's own client against a server of text and one of embeddings.

Usage: openai_client.py TEXT-HOST:PORT EMBEDDINGS-HOST:PORT
"""

import sys

import openai

text, vectors = (openai.OpenAI(base_url=f"http://{address}/v1", api_key="none", max_retries=0) for address in sys.argv[1:3])
messages = [{"role": "system", "content": "short"}, {"role": "user", "content": "Hello, wörld 🙂"}]

assert [model.id for model in text.models.list()] == ["tiny"]
whole = text.chat.completions.create(model="tiny", messages=messages, max_tokens=20, temperature=0, logprobs=True, top_logprobs=2)
choice = whole.choices[0]
assert choice.finish_reason == "length", choice
assert whole.usage.completion_tokens == 20 and whole.usage.prompt_tokens > 5, whole.usage
assert len(choice.logprobs.content) == 20 and len(choice.logprobs.content[0].top_logprobs) == 2
assert choice.logprobs.content[0].logprob == choice.logprobs.content[0].top_logprobs[0].logprob, "greedy takes the likeliest"

streamed, usage = "", None
for piece in text.chat.completions.create(
    model="tiny", messages=messages, max_tokens=20, temperature=0, stream=True, stream_options={"include_usage": True}
):
    streamed += piece.choices[0].delta.content or "" if piece.choices else ""
    usage = piece.usage or usage
assert streamed == choice.message.content, (streamed, choice.message.content)
assert usage.completion_tokens == 20

seeded = [text.completions.create(model="tiny", prompt="Once", max_tokens=12, temperature=1.5, seed=seed).choices[0].text for seed in (1, 1, 2)]
assert seeded[0] == seeded[1] != seeded[2], seeded
stopped = text.chat.completions.create(model="tiny", messages=messages, max_tokens=20, temperature=0, stop=[choice.message.content[3:6]])
assert stopped.choices[0].message.content == choice.message.content[:3] and stopped.choices[0].finish_reason == "stop"

found = vectors.embeddings.create(model="vectors", input=["one text", "another text"])
assert len(found.data) == 2 and abs(sum(x * x for x in found.data[0].embedding) - 1) < 1e-3
assert vectors.embeddings.create(model="vectors", input="one text").data[0].embedding == found.data[0].embedding

for call, kind in [
    (lambda: text.chat.completions.create(model="other", messages=messages), openai.NotFoundError),
    (lambda: text.chat.completions.create(model="tiny", messages=[]), openai.BadRequestError),
    (lambda: text.embeddings.create(model="tiny", input="a"), openai.BadRequestError),
]:
    try:
        call()
    except kind:
        continue
    raise AssertionError(kind)
