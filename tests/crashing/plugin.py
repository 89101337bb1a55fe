"""Crashes where `days` is 0: there is no such rule."""

import sys
from dataclasses import dataclass

from llmhost_plugin import invalid, log, step


@dataclass
class Config:
    days: int


def lifecycle(rules, days):
    return str({rule["days"]: rule for rule in rules}[days])


@step(summary="Crashes.")
def run(config: Config):
    log.write(log.Level.INFO, "keeping logs")
    print("this goes to \x1b[31mstandard error", file=sys.stderr)
    if config.days < 0:
        raise invalid("days must be positive")
    return {"rule": lifecycle([{"days": 7}], config.days)}
