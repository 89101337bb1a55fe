"""Models as exporters write them: a folder for each architecture, exporter and precision."""

import contextlib
import json
import os
import runpy
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from matrix import loop, precisions
from matrix.architectures import ARCHITECTURES, model
from matrix.tokens import ANSWER, VOCABULARY, prompts, tokenizer

# What the builder of onnxruntime-genai has of them.
BUILT = [
    "llama", "llama-3.1", "qwen2", "qwen3", "mistral", "mistral-window", "phi", "phi3", "phi3-longrope",
    "gemma", "gemma2", "gemma2-wide-window", "gemma3", "granite", "smollm3", "olmo", "nemotron",
]  # fmt: skip
# As Optimum exported all decoders before version 2: one branch for a prompt, and one for a past.
MERGED = ["llama", "qwen2", "phi3", "granite", "gpt2", "gpt-neox"]
# As transformers.js has them: several precisions beside each other.
FOR_JAVASCRIPT = ["llama", "qwen3", "gemma3", "smollm3", "gpt-neox", "phi3"]


def source(out, name):
    """The folder as Hugging Face has it, with what transformers answers."""
    folder = out / "sources" / name
    if not (folder / "transformers.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        made = model(name)
        made.save_pretrained(folder)
        tokenizer(1024, around=False).save_pretrained(folder)
        (folder / "transformers.json").write_text(json.dumps(by_transformers(made, ARCHITECTURES[name].again)))
    return folder


def by_transformers(made, again):
    import torch

    every = []
    for prompt in prompts():
        new, past, answer = torch.tensor([prompt]), None, []
        with torch.no_grad():
            while len(answer) < ANSWER:
                if len(prompt) + len(answer) == again:
                    new, past = torch.tensor([prompt + answer]), None
                given = made(input_ids=new, past_key_values=past, use_cache=True)
                past = given.past_key_values
                answer.append(int(given.logits[0, -1].argmax()))
                new = torch.tensor([[answer[-1]]])
        every.append(answer)
    return every


def by_genai(folder, given):
    """As onnxruntime-genai has it; it ends no text here, since the likeliest token is given to it as more of the prompt."""
    import numpy as np
    import onnxruntime_genai

    model, every = onnxruntime_genai.Model(str(folder)), []
    for prompt in given:
        settings = onnxruntime_genai.GeneratorParams(model)
        settings.set_search_options(max_length=loop.ROOM, do_sample=False)
        generator, new, answer = onnxruntime_genai.Generator(model, settings), prompt, []
        while len(answer) < ANSWER:
            generator.append_tokens(np.array([new], np.int32))
            answer.append(int(np.asarray(generator.get_logits()).reshape(-1, VOCABULARY)[-1].argmax()))
            new = [answer[-1]]
        every.append(answer)
    return every


def exported(out, name, exporter, precision, write, graph="model.onnx"):
    """Makes a folder by `write`, and puts the answers beside its graph; what fails is said in its place."""
    folder = out / "folders" / f"{name}.{exporter}.{precision}"
    if (folder / "expected.json").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    told = {"architecture": name, "exporter": exporter, "precision": precision, "graph": graph, "prompts": prompts(), "count": ANSWER}
    try:
        with quiet():
            write(folder)
    except (Exception, SystemExit) as error:
        told["no_folder"] = last_line(error)
    else:
        if precision == "fp32":
            told["transformers"] = json.loads((out / "sources" / name / "transformers.json").read_text())
        try:
            told["loop"] = loop.answers(folder / graph, told["prompts"], ANSWER, ARCHITECTURES[name].again)
        except Exception as error:
            told["no_loop"] = last_line(error)
        if exporter.startswith("genai") and precision != "fp16" and not ARCHITECTURES[name].again:
            try:
                told["genai"] = by_genai(folder, told["prompts"])
            except Exception as error:
                told["no_genai"] = last_line(error)
    (folder / "expected.json").write_text(json.dumps(told))
    print(folder.name, told.get("no_folder", told.get("no_loop", "made")), file=sys.stderr, flush=True)


@contextlib.contextmanager
def quiet():
    """Exporters print much."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.redirect_stdout(nowhere):
        yield


def last_line(error):
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:300]


def optimum(out, wanted):
    """Optimum: one graph with a past, in standard operators; and the same in precisions, as transformers.js has them."""
    from optimum.exporters.onnx import main_export

    def plain(name):
        task = "text-generation-with-past"
        return lambda folder: main_export(str(source(out, name)), folder, task=task, do_validation=False, library_name="transformers")

    for name in ARCHITECTURES:
        if wanted(name):
            exported(out, name, "optimum", "fp32", plain(name))
    for name in filter(wanted, MERGED):
        exported(out, name, "optimum-merged", "fp32", merged(source(out, name)), "decoder_model_merged.onnx")
    for name in filter(wanted, FOR_JAVASCRIPT):
        for precision in ["fp32", "fp16", "q4", "q8"]:
            graph = f"onnx/model{ {'fp32': '', 'q8': '_quantized'}.get(precision, f'_{precision}')}.onnx"
            exported(out, name, "transformers.js", precision, for_javascript(out / "folders" / f"{name}.optimum.fp32", precision, graph), graph)


def merged(of):
    def write(folder):
        from optimum.exporters.onnx import export
        from optimum.exporters.tasks import TasksManager
        from optimum.onnx.graph_transformations import merge_decoders
        from transformers import AutoModelForCausalLM

        shutil.copytree(of, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors", "transformers.json"))
        made = AutoModelForCausalLM.from_pretrained(of).eval()
        task = dict(task="text-generation")
        config = TasksManager.get_exporter_config_constructor(exporter="onnx", model=made, library_name="transformers", **task)
        halves = [folder / "decoder_model.onnx", folder / "decoder_with_past_model.onnx"]
        for past, half in enumerate(halves):
            export(made, config(made.config, use_past=True, use_past_in_inputs=bool(past), **task), half, opset=17)
        merge_decoders(*halves, strict=False, save_path=folder / "decoder_model_merged.onnx")

    return write


def for_javascript(of, precision, graph):
    def write(folder):
        shutil.copytree(of, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.onnx", "*.onnx_data", "expected.json"))
        (folder / "onnx").mkdir()
        precisions.write(of / "model.onnx", folder / graph, precision)

    return write


def genai(out, wanted):
    """The builder of onnxruntime-genai that is installed."""
    import onnxruntime_genai

    number = version("onnxruntime-genai")
    models = Path(onnxruntime_genai.__file__).parent / "models"
    sys.path.insert(0, str(models))

    def build(name, precision):
        def write(folder):
            given = sys.argv
            device = "cuda" if precision == "fp16" else "cpu"
            sys.argv = ["builder.py", "-i", str(out / "sources" / name), "-o", str(folder), "-p", precision, "-e", device, "-c", str(out / "cache")]
            try:
                runpy.run_path(str(models / "builder.py"), run_name="__main__")
            finally:
                sys.argv = given

        return write

    for name in filter(wanted, BUILT):
        source(out, name)
        for precision in ["fp32", "int4", "fp16"]:
            exported(out, name, f"genai-{number}", precision, build(name, precision))
