"""Crashes where `days` is 0: there is no such rule."""

import json
import sys

from componentize_py_types import Err
import wit_world
from wit_world.imports import log
from wit_world.imports.types import Description, Failure, FailureCode


def lifecycle(rules, days):
    return str({rule["days"]: rule for rule in rules}[days])


class WitWorld(wit_world.WitWorld):
    def describe(self):
        return Description(summary="Crashes.", config_schema="{}", outputs=[], needs=[])

    def run(self, config):
        days = json.loads(config)["days"]
        log.write(log.Level.INFO, "keeping logs")
        print("this goes to \x1b[31mstandard error", file=sys.stderr)
        if days < 0:
            raise Err(Failure(FailureCode.INVALID, "days must be positive"))
        return lifecycle([{"days": 7}], days)
