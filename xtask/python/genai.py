"""How fast onnxruntime-genai runs a model folder, in the figures of `llmhost bench --json`.

Usage: genai.py FOLDER THREADS DEVICE batches PROMPT-TOKENS ANSWER-TOKENS BATCH…
       genai.py FOLDER THREADS DEVICE clients CLIENTS [{"prompt": TOKENS, "answer": TOKENS}, …] WAY
DEVICE is cpu or cuda, WAY one of WAYS.
"""

import json
import os
import sys
import tempfile
import time

import numpy as np
import onnxruntime_genai as og


def configured(folder, threads, device, batch, to):
    """The folder by links, with its device and as many threads and requests at a time in its
    configuration."""
    for name in os.listdir(folder):
        if name != "genai_config.json":
            os.symlink(os.path.abspath(os.path.join(folder, name)), os.path.join(to, name))
    with open(os.path.join(folder, "genai_config.json")) as file:
        config = json.load(file)
    config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = threads
    config["model"]["decoder"]["session_options"]["provider_options"] = [{"cuda": {}}] if device == "cuda" else []
    config["engine"] = {"static_batching": {"max_batch_size": batch}}
    with open(os.path.join(to, "genai_config.json"), "w") as file:
        json.dump(config, file)


def tokens(length):
    return [3 + at * 7919 % 250 for at in range(length)]


def generator(model, batch, prompt, answer):
    params = og.GeneratorParams(model)
    length = prompt + answer
    params.set_search_options(max_length=length, min_length=length, batch_size=batch, do_sample=False)
    return og.Generator(model, params)


def batch_of_equals(model, batch, prompt, answer):
    one = generator(model, batch, prompt, answer)
    began = time.perf_counter()
    one.append_tokens([tokens(prompt)] * batch if batch > 1 else tokens(prompt))
    one.generate_next_token()
    first = time.perf_counter()
    steps = 0
    while not one.is_done() and steps < answer - 1:
        one.generate_next_token()
        steps += 1
    ended = time.perf_counter()
    return {
        "batch": batch,
        "prefill_tokens_per_second": batch * prompt / (first - began),
        "decode_tokens_per_second": batch * steps / (ended - first),
    }


def by_engine(model, clients, requests):
    """Its engine, in which a request that ended makes room for the next."""
    engine = og.Engine(model)
    events, todo, live = engine.create_event_buffer(64), requests[::-1], []

    def start():
        wanted = todo.pop()
        options = og.RequestOptions()
        options.set_max_session_tokens(wanted["prompt"] + wanted["answer"])
        request = engine.create_request(options=options)
        turn = og.TurnOptions(request)
        turn.set_max_generated_tokens(wanted["answer"])
        turn.set_min_generated_tokens(wanted["answer"])
        turn.set_do_sample(False)
        request.begin_turn(np.array(tokens(wanted["prompt"]), np.int32), turn)
        live.append(request)

    for _ in range(min(clients, len(todo))):
        start()
    while engine.has_pending_requests():
        for event in engine.run(events):
            if int(event.flags) & int(og.EngineEventFlags.TURN_FINISHED) and todo:
                start()


def by_static_batches(model, clients, requests):
    """One batch after another, padded to its longest prompt, until its longest answer is done."""
    for at in range(0, len(requests), clients):
        part = requests[at : at + clients]
        prompt, answer = (max(one[of] for one in part) for of in ("prompt", "answer"))
        rows = np.full((len(part), prompt), 2, np.int32)
        for row, one in zip(rows, part):
            row[prompt - one["prompt"] :] = tokens(one["prompt"])
        batch = generator(model, len(part), prompt, answer)
        batch.append_tokens(rows)
        while not batch.is_done():
            batch.generate_next_token()


def one_by_one(model, _, requests):
    for wanted in requests:
        one = generator(model, 1, wanted["prompt"], wanted["answer"])
        one.append_tokens(tokens(wanted["prompt"]))
        while not one.is_done():
            one.generate_next_token()


WAYS = {"its engine": by_engine, "static batches": by_static_batches, "one by one": one_by_one}


def main():
    folder, threads, device, what, *rest = sys.argv[1:]
    batches = [int(batch) for batch in rest[2:]] if what == "batches" else [int(rest[0])]
    with tempfile.TemporaryDirectory() as copy:
        configured(folder, int(threads), device, max(batches), copy)
        model = og.Model(copy)
        batch_of_equals(model, 1, 128, 8)
        if what == "batches":
            prompt, answer = map(int, rest[:2])
            print(json.dumps({"rows": [batch_of_equals(model, batch, prompt, answer) for batch in batches]}))
            return
        requests, way = json.loads(rest[1]), WAYS[rest[2]]
        began = time.perf_counter()
        way(model, batches[0], requests)
        rate = sum(one["answer"] for one in requests) / (time.perf_counter() - began)
        print(json.dumps({"tokens_per_second": rate}))


main()
