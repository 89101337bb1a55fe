"""How long things take.

`now` is at once, for tests of something else; `fast` passes every state between in one look or a second;
`real` takes the time that AWS usually takes.
"""

import time

MINUTES = {
    "cluster": 9, "cluster update": 2, "cluster version": 9, "cluster gone": 3, "node group": 2.5, "node group update": 3,
    "node group gone": 4, "addon": 0.75, "addon gone": 0.5, "fargate profile": 1.5, "fargate profile gone": 2,
    "nat gateway": 1.75, "nat gateway gone": 0.75, "endpoint": 1.5, "network": 0.02, "request": 0.2,
}
# A look that nobody takes is not waited for.
UNSEEN = 1.0

mode = "fast"
# Of what is under way: when it ends at the latest, how many looks it takes, and what then happens.
under_way = {}


def reset():
    under_way.clear()


class Wait:
    """The time that one thing takes."""

    def __init__(self, kind, seconds=None):
        if seconds is None and mode == "real":
            seconds = MINUTES[kind] * 60
        self.looks = None if seconds is not None else 0 if mode == "now" else 1
        self.until = time.monotonic() + (UNSEEN if seconds is None else seconds)

    def look(self):
        if self.looks:
            self.looks -= 1

    def is_over(self):
        return self.looks == 0 or time.monotonic() >= self.until


def begin(key, kind, finish):
    """Something of EC2 is under way; `key` is the id that a look has in its answer."""
    wait = Wait(kind)
    if wait.is_over():
        finish()
    else:
        under_way[key] = (wait, finish)


def end(key):
    """It is over before its time."""
    _, finish = under_way.pop(key, (None, lambda: None))
    finish()


def settle():
    """Ends what is over."""
    for key in [key for key, (wait, _) in under_way.items() if wait.is_over()]:
        end(key)


def looked(body):
    """An answer was given, and shows what is in it."""
    for key, (wait, _) in under_way.items():
        if key.encode() in body:
            wait.look()
