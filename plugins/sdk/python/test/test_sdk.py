"""Tests of the packed package, with the host's interfaces as far as they need them."""

import dataclasses
import json
import os
import sys
import tempfile
import traceback
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import wit_world.imports.file
import wit_world.imports.resources
import wit_world.imports.s3
import wit_world.imports.values

wit_world.imports.values.is_known = lambda text: "<<" not in text
wit_world.imports.file.written = lambda pointer: None if pointer == "/ours" else "${theirs" + pointer + "}"
wit_world.imports.s3.Bucket.declare = classmethod(lambda cls, *args: args)


class Declared:
    """A resource of a provider, which gives back what it was declared with."""

    def __init__(self, *args):
        self.args = args

    def output(self, name):
        return json.dumps({"id": "7", "spec": json.loads(self.args[2])}[name])

    def address(self):
        return f"site/{self.args[0]}/{self.args[1]}"


wit_world.imports.resources.Any.declare = staticmethod(Declared)

from llmhost_plugin import (  # noqa: E402
    FailureCode,
    Names,
    Options,
    Output,
    failure,
    failure_of,
    is_known,
    name_of,
    option,
    pointer,
    resources,
    s3,
    step,
    written,
)
from llmhost_plugin_build import reason, uses  # noqa: E402
from llmhost_plugin_build.interfaces import INTERFACES  # noqa: E402

HERE = sys.modules[__name__]


@dataclass
class Rule:
    days: int = option("Days.", default=30, minimum=1)
    sort: Literal["keep", "drop"] = "keep"


@dataclass
class Config:
    bucket: str = option("Its name.", pattern="^[a-z]+$")
    rules: list[Rule] = option("What goes when.", default=[])
    tags: dict[str, str] | None = None
    ratio: float = 0.5
    anything: Any = None


@step(
    summary="A bucket.",
    outputs=[Output.text("arn", "Its ARN"), Output.any("rest", "The rest", sensitive=True)],
    needs=["cloud-control:AWS::SNS::Topic"],
)
def run(config: Config):
    if config.bucket == "crash":
        raise KeyError("no such bucket")
    if config.bucket == "wrong":
        s3.Bucket.declare("logs", s3.BucketSpec(bucket=3, encryption=s3.Encryption_S3Managed()))
    if config.bucket == "fail":
        raise failure(FailureCode.EXISTS, "it is there")
    return {"arn": config.bucket, "rest": dataclasses.asdict(config)}


def plugin():
    return HERE.WitWorld()


class Sdk(unittest.TestCase):
    def fails(self, call):
        with self.assertRaises(Exception) as caught:
            call()
        return failure_of(caught.exception), caught.exception

    def test_names_are_those_of_every_language(self):
        for identity, name in json.loads(Path(os.environ["NAMES"]).read_text()):
            self.assertEqual(name_of(identity), name, identity)

    def test_the_same_thing_twice_is_refused_with_both_places(self):
        names = Names("access entry")
        self.assertEqual(names.take("ops", "admins[0]"), "ops")
        said, _ = self.fails(lambda: names.take("ops", "access.ops"))
        self.assertEqual(said.code, FailureCode.INVALID)
        self.assertEqual(said.message, "admins[0] and access.ops are the same access entry (ops); remove one of them")

    def test_values_are_asked_of_the_host(self):
        self.assertEqual(pointer("access", "a/b~c", 0), "/access/a~1b~0c/0")
        self.assertEqual([written("/ours", "mine"), written("/x", "mine")], ["mine", "${theirs/x}"])
        self.assertEqual([is_known("a"), is_known("<<a>>")], [True, False])

    def test_a_step_says_what_it_is_with_the_schema_of_what_stands_in_the_file(self):
        said = plugin().describe()
        self.assertEqual([said.summary, said.needs], ["A bucket.", ["cloud-control:AWS::SNS::Topic"]])
        told = [(one.name, one.value_type and one.value_type.name, one.sensitive) for one in said.outputs]
        self.assertEqual(told, [("arn", "TEXT", False), ("rest", None, True)])
        rule = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "days": {"type": "integer", "description": "Days.", "minimum": 1, "default": 30},
                "sort": {"enum": ["keep", "drop"], "default": "keep"},
            },
            "required": [],
        }
        properties = {
            "bucket": {"type": "string", "description": "Its name.", "pattern": "^[a-z]+$"},
            "rules": {"type": "array", "items": rule, "description": "What goes when.", "default": []},
            "tags": {"type": "object", "additionalProperties": {"type": "string"}},
            "ratio": {"type": "number", "default": 0.5},
            "anything": {},
        }
        expected = {"type": "object", "additionalProperties": False, "properties": properties, "required": ["bucket"]}
        self.assertEqual(json.loads(said.config_schema), expected)

    def test_a_step_runs_with_its_defaults(self):
        rest = json.loads(plugin().run('{"bucket": "b", "rules": [{}], "ratio": 1}'))["rest"]
        self.assertEqual(rest["rules"], [{"days": 30, "sort": "keep"}])
        self.assertEqual([rest["tags"], rest["ratio"]], [None, 1])

    def test_defaults_are_not_shared_between_configurations(self):
        Config(bucket="a").rules.append("x")
        self.assertEqual(Config(bucket="b").rules, [])

    def test_a_wrong_option_is_a_failure_that_names_it(self):
        for config, message in [
            ({}, "bucket is missing"),
            ({"bucket": 1}, "bucket must be a text, and is 1"),
            ({"bucket": "b", "buckt": 1}, "buckt: there is no such option; there are bucket, rules, tags, ratio, anything"),
            ({"bucket": "b", "rules": [{"days": "x"}]}, "rules[0].days must be a whole number, and is 'x'"),
            ({"bucket": "b", "rules": [{"days": True}]}, "rules[0].days must be a whole number, and is True"),
            ({"bucket": "b", "rules": {}}, "rules must be a list, and is {}"),
            ({"bucket": "b", "rules": [{"sort": "x"}]}, "rules[0].sort must be one of 'keep', 'drop', and is 'x'"),
            ({"bucket": "b", "tags": {"a": 1}}, "tags.a must be a text, and is 1"),
        ]:
            said, _ = self.fails(lambda: plugin().run(json.dumps(config)))
            self.assertEqual((said.code, said.message), (FailureCode.INVALID, message))

    def test_what_is_not_known_yet_may_become_any_text_and_nothing_else(self):
        unknown = "<<network/ec2.vpc/main#id>>"
        given = {"bucket": unknown, "rules": [{"sort": unknown}], "tags": {"a": unknown}}
        rest = json.loads(plugin().run(json.dumps(given)))["rest"]
        self.assertEqual([rest["bucket"], rest["rules"], rest["tags"]], [unknown, [{"days": 30, "sort": unknown}], {"a": unknown}])
        said, _ = self.fails(lambda: plugin().run(json.dumps({"bucket": "b", "rules": [{"days": unknown}]})))
        self.assertEqual(said.message, "rules[0].days is known when the plan is applied; only a text can wait for that")

    def test_a_type_that_no_option_can_have_is_told_when_the_plugin_is_built(self):
        @dataclass
        class Wrong:
            when: set[str]

        def wrong(config):
            return {}

        wrong.__annotations__ = {"config": Wrong}
        with self.assertRaisesRegex(TypeError, r"Wrong\.when: set\[str\] is no type of an option"):
            step(summary="x")(wrong)

    def test_a_failure_is_no_crash_and_a_crash_ends_with_the_authors_own_line(self):
        said, _ = self.fails(lambda: plugin().run('{"bucket": "fail"}'))
        self.assertEqual((said.code, said.message), (FailureCode.EXISTS, "it is there"))
        for config in ["crash", "wrong"]:
            try:
                plugin().run(json.dumps({"bucket": config}))
            except (KeyError, TypeError) as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                self.assertEqual((last.name, Path(last.filename).name), ("run", "test_sdk.py"))
            else:
                self.fail("it raises")

    def test_what_a_declaration_leaves_out_is_filled_in(self):
        rule = s3.LifecycleRule(id="x", prefix="")
        name, spec, options = s3.Bucket.declare(
            "logs", s3.BucketSpec(bucket="logs", encryption=s3.Encryption_S3Managed(), lifecycle=[rule])
        )
        self.assertEqual((name, options), ("logs", Options(after=[])))
        self.assertEqual([spec.versioning, spec.force_destroy, spec.tags, rule.expire_after_days], [False, False, [], None])

    def test_a_declaration_of_another_type_says_which_field(self):
        good = {"bucket": "logs", "encryption": s3.Encryption_S3Managed()}
        for fields, message in [
            ({"bucket": 3}, "spec.bucket must be str, and is 3"),
            ({"versioning": 1}, "spec.versioning must be bool, and is 1"),
            ({"tags": [["a", "b"]]}, "spec.tags[0] must be a tuple of 2, and is ['a', 'b']"),
            ({"encryption": "kms"}, "spec.encryption must be Encryption_S3Managed or Encryption_Kms, and is 'kms'"),
            ({"encryption": s3.Encryption_Kms(3)}, "spec.encryption.value must be str, and is 3"),
            ({"lifecycle": [s3.LifecycleRule(id="x", prefix="", expire_after_days="7")]},
             "spec.lifecycle[0].expire_after_days must be int or None, and is '7'"),
        ]:  # fmt: skip
            with self.assertRaises(TypeError) as caught:
                s3.Bucket.declare("logs", s3.BucketSpec(**{**good, **fields}))
            self.assertEqual(str(caught.exception), message)

    def test_a_resource_of_a_provider_takes_a_dataclass_or_a_dict_and_gives_values(self):
        record = resources.declare("dns.record", "www", {"name": "www", "ttl": "<<a>>"})
        self.assertEqual(record.output("id"), "7")
        self.assertEqual(record.output("spec"), {"name": "www", "ttl": "<<a>>"})
        self.assertEqual(record.address(), "site/dns.record/www")
        config = resources.declare("dns.record", "www", Config(bucket="b", rules=[Rule()]), Options(after=["x"]))
        told = {"bucket": "b", "rules": [{"days": 30, "sort": "keep"}], "ratio": 0.5}
        self.assertEqual([config.output("spec"), config._declared.args[3]], [told, Options(after=["x"])])
        with self.assertRaisesRegex(TypeError, "the spec of dns.record www must be a dict or a dataclass, and is 'x'"):
            resources.declare("dns.record", "www", "x")

    def test_what_componentize_py_says_is_told_without_its_own_frames(self):
        wrapped = "Traceback (most recent call last):\n  File \"<string>\", line 1\nAssertionError: {}\n\n\nCaused by:\n    x\n\nStack backtrace:\n   0: y\n"
        crashed = 'Traceback (most recent call last):\n  File "/0/plugin.py", line 1, in <module>\nNameError: name \'x\' is not defined'
        self.assertEqual(reason(wrapped.format(crashed)), crashed)
        self.assertIn("put @step(…) before", reason(wrapped.format("AttributeError: module 'plugin' has no attribute 'WitWorld'")))
        self.assertIn("call provider(…)", reason(wrapped.format("AttributeError: module 'plugin' has no attribute 'Kinds'")))
        self.assertEqual(reason("error: something else\n"), "error: something else")

    def test_the_world_is_what_the_modules_import(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in [
                ("plugin.py", "from llmhost_plugin import log, s3\nimport more\n"),
                ("more.py", "import llmhost_plugin.ec2\ndef f():\n    from llmhost_plugin.kube import Object\nfrom parts.one import x\n"),
                ("parts/__init__.py", ""),
                ("parts/one.py", "from . import two"),
                ("parts/two.py", "from llmhost_plugin import sts"),
                ("unused.py", "from llmhost_plugin import iam"),
            ]:
                Path(folder, name).parent.mkdir(exist_ok=True)
                Path(folder, name).write_text(text)
            found = uses(Path(folder), "plugin") & set(INTERFACES)
        self.assertEqual(found, {"log", "s3", "ec2", "kube", "sts"})


if __name__ == "__main__":
    unittest.main()
