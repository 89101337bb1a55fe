"""The tiny models, run by ONNX Runtime itself."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnxruntime
from export import folder, quantize, tiny
from tokenizers import Tokenizer


def greedy(session, tokens, count):
    """Tokens and last logits, with the past handed on."""
    inputs = {found.name: found for found in session.get_inputs()}
    past = {name: np.zeros((1, found.shape[1], 0, found.shape[3]), np.float32) for name, found in inputs.items() if name.startswith("past")}
    step, total, said = list(tokens), 0, []
    for _ in range(count):
        first, total = total, total + len(step)
        feed = {"input_ids": np.array([step], np.int64), "attention_mask": np.ones((1, total), np.int64), **past}
        if "position_ids" in inputs:
            feed["position_ids"] = np.arange(first, total)[None]
        found = dict(zip([one.name for one in session.get_outputs()], session.run(None, feed)))
        logits = found.pop("logits")[0, -1]
        past = {name.replace("present", "past_key_values"): value for name, value in found.items()}
        step = [int(logits.argmax())]
        said += step
    return said, logits


class Export(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.at = Path(cls.scratch.name)
        for layout in ("grouped", "plain"):
            tiny.write_decoder(cls.at / layout, layout)
        tiny.write_encoder(cls.at / "encoder")

    def session(self, name):
        return onnxruntime.InferenceSession(str(self.at / name / "model.onnx"))

    def test_both_layouts_say_the_same(self):
        tokens = Tokenizer.from_file(str(self.at / "plain" / "tokenizer.json")).encode("The capital, wörld 🙂").ids
        (one, first), (two, second) = (greedy(self.session(name), tokens, 40) for name in ("grouped", "plain"))
        self.assertEqual(one, two)
        self.assertGreater(len(set(one)), 10, "it does not repeat itself")
        np.testing.assert_allclose(first, second, atol=1e-3)

    def test_two_exports_are_equal(self):
        tiny.write_decoder(self.at / "again", "grouped")
        read = lambda name: json.loads((self.at / name / "manifest.json").read_text())  # noqa: E731
        self.assertEqual(read("again"), read("grouped"))

    def test_manifest_tells_whether_it_is_whole(self):
        tiny.write_decoder(self.at / "spoilt", "grouped")
        self.assertTrue(folder.is_whole(self.at / "spoilt"))
        (self.at / "spoilt" / "model.onnx").write_bytes(b"")
        self.assertFalse(folder.is_whole(self.at / "spoilt"))
        self.assertLess(sum(path.stat().st_size for path in (self.at / "grouped").rglob("*")), 1 << 20)

    def test_tokenizer_gives_text_back(self):
        made = Tokenizer.from_file(str(self.at / "grouped" / "tokenizer.json"))
        for text in ("🙂 👩‍👩‍👧‍👦", "日本語 你好", "fn main() { }\n\tx += 1;"):
            ids = made.encode(text).ids
            self.assertEqual(made.decode(ids), text)
        self.assertGreater(len(made.encode("🙂").ids), 1, "characters are split")

    def test_encoder_heeds_its_mask(self):
        session = self.session("encoder")
        ids = np.array([[5, 6, 7, 0, 0]], np.int64)
        feed = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64), "token_type_ids": np.zeros_like(ids)}
        padded = session.run(None, feed)[0]
        alone = session.run(None, {name: value[:, :3] for name, value in feed.items()})[0]
        np.testing.assert_allclose(padded[:, :3], alone, atol=1e-4)

    def test_blocks_come_near_the_weights(self):
        weight = np.random.default_rng(1).standard_normal((8, 64)).astype(np.float32)
        for bits, most in ((8, 0.03), (4, 0.35)):
            packed, scale, zero = quantize.blocks(weight, bits)
            if bits == 4:
                packed = np.stack([packed & 15, packed >> 4], -1).reshape(8, 2, 32)
                zero = np.stack([zero & 15, zero >> 4], -1).reshape(8, -1)[:, :2]
            found = ((packed.astype(np.float32) - zero[..., None]) * scale[..., None]).reshape(8, 64)
            self.assertLess(np.abs(found - weight).max(), most)


if __name__ == "__main__":
    unittest.main()
