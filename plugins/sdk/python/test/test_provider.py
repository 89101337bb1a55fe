"""Tests of what the packed package has for providers, with the host's interfaces as far as they need them."""

import json
import sys
import traceback
import unittest
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import wit_world.exports.kinds as host
import wit_world.imports.http as sent
import wit_world.imports.wait
from componentize_py_types import Err

PAUSES = []
wit_world.imports.wait.pause = PAUSES.append

from llmhost_plugin.provider import (  # noqa: E402
    Created,
    Error,
    ErrorClass,
    Kind,
    Observed,
    http,
    kind,
    option,
    output,
    pause,
    provider,
)

HERE = sys.modules[__name__]
KEY = "<<secret:dns>>"


@dataclass
class Config:
    url: str = option("Its address.")
    key: str | None = option("Its key.", default=None)


@dataclass
class Target:
    host: str
    weight: float = 1


@dataclass
class Record:
    name: str = option("Its name.", minLength=1)
    type: Literal["A", "TXT"] = "A"
    targets: list[Target] = option("Where it leads.", default=[])
    labels: dict[str, str] | None = None
    password: str | None = option("Known to nobody.", default=None, write_only=True)


@kind(
    "record",
    summary="A record.",
    immutable=["name", "type"],
    unique=["name"],
    outputs=[output("fqdn", "Its whole name", identity=True), output("key", "Its key", sensitive=True)],
)
class Records(Kind[Config, Record]):
    def create(self, config, spec, token):
        match spec.name:
            case "taken":
                raise Error(ErrorClass.CONFLICT, "it is there", code="E1", advice="Take another.")
            case "crash":
                return Created(str(1 / 0))
            case "number":
                return Created(7)
            case "nothing":
                return None
            case "list":
                return Created("7", ["fqdn"])
        return Created(f"{spec.name}-{token}", {"fqdn": f"{config.url}/{spec.name}", "target": spec.targets})

    def find(self, config, spec, token):
        return Created("7") if token == "mine" else None

    def read(self, config, id, known):
        return {"gone": None, "wrong": known}.get(id, Observed(replace(known, labels={"seen": id}), {"fqdn": "x"}))

    def update(self, config, id, old, new):
        return {"fqdn": f"{old.name} {new.name}"}

    def delete(self, config, id, spec):
        if id == "gone":
            raise Error(ErrorClass.NOT_FOUND, "there is none")


provider(summary="DNS.", config=Config, kinds=[Records])
KINDS = HERE.Kinds()
CONFIG = json.dumps({"url": "http://dns", "key": KEY})


def create(spec):
    return KINDS.create(CONFIG, "record", json.dumps(spec), "t")


class Provider(unittest.TestCase):
    def fails(self, call, *args):
        with self.assertRaises(Err) as caught:
            call(*args)
        told = caught.exception.value
        self.assertIsInstance(told, host.Error)
        return told

    def crashes(self, call, *args):
        try:
            call(*args)
        except Exception as error:
            self.assertNotIsInstance(error, Err)
            return error, traceback.extract_tb(error.__traceback__)[-1]
        self.fail("it raises")

    def test_a_provider_says_what_it_is_with_the_schemas_of_configuration_and_specs(self):
        said = KINDS.describe()
        config = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "url": {"type": "string", "description": "Its address."},
                "key": {"type": "string", "description": "Its key."},
            },
            "required": ["url"],
        }
        self.assertEqual([said.summary, json.loads(said.config_schema)], ["DNS.", config])
        (record,) = said.kinds
        self.assertEqual([record.name, record.summary], ["record", "A record."])
        self.assertEqual([record.immutable, record.unique], [["name", "type"], ["name"]])
        told = [host.Output("fqdn", "Its whole name", True, False), host.Output("key", "Its key", False, True)]
        self.assertEqual(record.outputs, told)
        target = {
            "type": "object",
            "additionalProperties": False,
            "properties": {"host": {"type": "string"}, "weight": {"type": "number", "default": 1}},
            "required": ["host"],
        }
        properties = {
            "name": {"type": "string", "description": "Its name.", "minLength": 1},
            "type": {"enum": ["A", "TXT"], "default": "A"},
            "targets": {"type": "array", "items": target, "description": "Where it leads.", "default": []},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "password": {"type": "string", "description": "Known to nobody.", "writeOnly": True},
        }
        expected = {"type": "object", "additionalProperties": False, "properties": properties, "required": ["name"]}
        self.assertEqual(json.loads(record.spec_schema), expected)

    def test_calls_get_values_and_give_json(self):
        made = create({"name": "www", "targets": [{"host": "a", "weight": 2}]})
        self.assertEqual(made.id, "www-t")
        self.assertEqual(json.loads(made.outputs), {"fqdn": "http://dns/www", "target": [{"host": "a", "weight": 2}]})
        self.assertEqual(KINDS.find(CONFIG, "record", '{"name": "www"}', "mine"), host.Created("7", "{}"))
        self.assertIsNone(KINDS.find(CONFIG, "record", '{"name": "www"}', "yours"))
        self.assertEqual(KINDS.update(CONFIG, "record", "7", '{"name": "a"}', '{"name": "b"}'), '{"fqdn": "a b"}')
        self.assertIsNone(KINDS.delete(CONFIG, "record", "7", '{"name": "a"}'))

    def test_what_is_read_has_the_form_of_what_was_declared(self):
        known = {"name": "a", "type": "TXT", "targets": [{"host": "a", "weight": 1}], "password": KEY}
        seen = KINDS.read(CONFIG, "record", "7", json.dumps(known))
        self.assertEqual([seen.id, json.loads(seen.outputs)], ["7", {"fqdn": "x"}])
        # 1 is not 1.0 where the host compares; a field that nobody stated is absent, and a secret is its handle.
        told = {**known, "labels": {"seen": "7"}}
        self.assertEqual(json.dumps(json.loads(seen.spec), sort_keys=True), json.dumps(told, sort_keys=True))
        self.assertNotIn("password", json.loads(KINDS.read(CONFIG, "record", "7", '{"name": "a"}').spec))
        self.assertIsNone(KINDS.read(CONFIG, "record", "gone", '{"name": "a"}'))

    def test_a_state_may_have_fields_of_an_older_release(self):
        KINDS.delete(CONFIG, "record", "7", '{"name": "a", "zone": "b", "targets": [{"host": "a", "port": 1}]}')
        told = self.fails(KINDS.delete, CONFIG, "record", "7", '{"zone": "b"}')
        self.assertEqual((told.class_, told.message), (host.ErrorClass.INVALID, "name is missing"))

    def test_an_error_is_told_with_its_class_code_and_advice(self):
        told = self.fails(create, {"name": "taken"})
        self.assertEqual(told, host.Error(host.ErrorClass.CONFLICT, "E1", "it is there", "Take another."))
        told = self.fails(KINDS.delete, CONFIG, "record", "gone", '{"name": "a"}')
        self.assertEqual(told, host.Error(host.ErrorClass.NOT_FOUND, None, "there is none", None))
        self.assertEqual([one.name for one in ErrorClass], [one.name for one in host.ErrorClass])

    def test_any_other_exception_is_a_crash_that_ends_with_the_authors_own_line(self):
        for name, message in [("crash", "division by zero"), ("number", "the id must be a str, and is 7")]:
            error, last = self.crashes(create, {"name": name})
            self.assertEqual((last.name, Path(last.filename).name), ("create", "test_provider.py"))
            self.assertEqual(str(error), message)

    def test_what_is_returned_in_another_form_is_a_crash_that_says_which(self):
        read = lambda id: KINDS.read(CONFIG, "record", id, '{"name": "a"}')  # noqa: E731
        for call, given, message in [
            (create, {"name": "nothing"}, "Records.create must return Created, and returned None"),
            (create, {"name": "list"}, "Records.create must return outputs in a dict, and returned ['fqdn']"),
            (read, "wrong", "Records.read must return Observed or None, and returned Record("),
        ]:
            error, _ = self.crashes(call, given)
            self.assertIn(message, str(error))

    def test_a_kind_that_is_none_is_told_when_the_provider_is_built(self):
        with self.assertRaisesRegex(TypeError, "Records: Record has no field zone; there are name, type"):
            kind("record", summary="", immutable=["zone"])(Records)
        with self.assertRaisesRegex(TypeError, r"Plain must be a Kind of two dataclasses, as in `class Notes\(Kind"):
            kind("plain", summary="")(type("Plain", (), {}))
        with self.assertRaisesRegex(TypeError, "has a Kinds already"):
            provider(summary="", config=Config, kinds=[Records])
        make = "class Half(Kind[Config, Record]):\n    def read(self, config, id, known): ...\n"
        for rest, message in [
            ("provider(summary='', config=Config, kinds=[Half])", r"put @kind\(…\) before the class Half"),
            ("provider(summary='', config=Config, kinds=[kind('half', summary='')(Half)])", "abstract"),
        ]:
            with self.assertRaisesRegex(TypeError, message):
                exec(make + rest, {"Kind": Kind, "Config": Config, "Record": Record, "kind": kind, "provider": provider, "__name__": "x"})

    def test_a_long_pause_is_made_of_those_that_the_host_has(self):
        pause(61.5)
        pause(0)
        self.assertEqual(PAUSES, [60_000, 1_500])


class Http(unittest.TestCase):
    def answers(self, status, body="", headers=()):
        self.requests = []

        def send(request):
            self.requests.append(request)
            return sent.Response(status, list(headers), body, request.url)

        sent.send = send

    def refused(self, call=lambda: http.json("GET", "http://a/x", query={"q": "1"})):
        with self.assertRaises(Error) as caught:
            call()
        return caught.exception

    def test_a_request_has_a_body_of_json_and_the_answer_is_parsed(self):
        self.answers(201, '{"id": "1"}')
        got = http.json("POST", "http://a/x?y=1", {"key": KEY}, query={"q": "a b"}, headers={"X-Y": "z"}, bearer=KEY)
        self.assertEqual(got, {"id": "1"})
        headers = [("accept", "application/json"), ("content-type", "application/json"),
                   ("authorization", f"Bearer {KEY}"), ("x-y", "z")]  # fmt: skip
        expected = sent.Request("POST", "http://a/x?y=1&q=a+b", headers, None, json.dumps({"key": KEY}), False)
        self.assertEqual(self.requests, [expected])

    def test_what_is_not_given_is_not_sent(self):
        self.answers(204)
        self.assertIsNone(http.json("DELETE", "http://a", basic=("me", KEY), follow=True))
        expected = sent.Request("DELETE", "http://a", [("accept", "application/json")], ("me", KEY), None, True)
        self.assertEqual(self.requests, [expected])

    def test_a_status_is_an_error_of_its_class(self):
        for status, name in [(302, "INVALID"), (400, "INVALID"), (401, "DENIED"), (403, "DENIED"), (404, "NOT_FOUND"),
                             (409, "CONFLICT"), (422, "INVALID"), (429, "THROTTLED"), (500, "SERVICE"), (503, "SERVICE")]:  # fmt: skip
            self.answers(status, '{"error": "so"}')
            error = self.refused()
            self.assertEqual((error.error_class.name, error.code), (name, f"HTTP {status}"))
            self.assertEqual(error.message, "so (GET http://a/x)")

    def test_the_message_is_the_services_own_and_not_too_long(self):
        for body, said in [
            ('{"message": "m"}', "m"),
            ('{"error": {"code": 7, "message": "deep"}}', "deep"),
            ('{"errors": ["a"]}', '{"errors": ["a"]}'),
            ('{"detail": "d"}', "d"),
            ("<html>\n  <b>no</b>", "<html> <b>no</b>"),
            ("", "the service answered with status 400"),
            ("[]", "[]"),
            ("x" * 400, "x" * 300 + "…"),
        ]:
            self.answers(400, body)
            self.assertEqual(self.refused().message, f"{said} (GET http://a/x)")

    def test_an_answer_that_is_no_json_is_an_error_of_the_service(self):
        self.answers(200, "<html>")
        error = self.refused()
        self.assertEqual((error.error_class, error.message), (ErrorClass.SERVICE, "the answer is not JSON: <html> (GET http://a/x)"))

    def test_no_answer_is_an_error_with_the_hosts_advice(self):
        for name, expected in [("INVALID", "INVALID"), ("NOT_GRANTED", "DENIED"), ("SECRET", "DENIED"), ("UNREACHABLE", "UNREACHABLE"),
                               ("TIMEOUT", "UNREACHABLE"), ("TOO_LARGE", "INVALID"), ("REDIRECT", "INVALID"), ("PROTOCOL", "UNREACHABLE")]:  # fmt: skip

            def send(_):
                raise Err(sent.Error(sent.ErrorClass[name], "m", "a", False))

            sent.send = send
            error = self.refused()
            self.assertEqual((error.error_class.name, error.message, error.code, error.advice), (expected, "m", None, "a"))

    def test_what_may_have_been_done_is_looked_for(self):
        def send(_):
            raise Err(sent.Error(sent.ErrorClass.TOO_LARGE, "m", "a", True))

        sent.send = send
        for method, expected in [("POST", ErrorClass.SERVICE), ("GET", ErrorClass.INVALID)]:
            with self.assertRaises(Error) as raised:
                http.json(method, "http://a/x")
            self.assertEqual(raised.exception.error_class, expected)

    def test_any_status_is_an_answer_to_send(self):
        self.answers(404, "no", [("x", "1"), ("set-cookie", "a"), ("set-cookie", "b")])
        headers = {"x": "1", "set-cookie": "a, b"}
        self.assertEqual(http.send("GET", "http://a"), http.Response(404, headers, "no", "http://a"))
        self.assertEqual(self.requests, [sent.Request("GET", "http://a", [], None, None, False)])


if __name__ == "__main__":
    unittest.main()
