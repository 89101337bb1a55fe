"""Names of resources by what the resources are, not by their places in a list."""

from __future__ import annotations

import re

from . import file
from ._failure import invalid


def name_of(identity: str) -> str:
    """The name of a resource with this identity: the text that says what the resource is and that no other of its kind has
    in the step, such as `web-tcp-443-from-10.0.0.0-8`. The same identity always gives the same name, and two identities
    give two.

    Build an identity only from what the pipeline file says (`written`).
    """
    if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", identity):
        return identity
    hashed = 0xCBF29CE484222325
    for byte in identity.encode():
        hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
    # The end of a path, of an ARN or of a rule tells it from its neighbours.
    readable = re.sub(r"[^A-Za-z0-9._]+", "-", identity).lstrip("-")[-55:].strip("-")
    return f"{readable}-{hashed >> 32 ^ hashed & 0xFFFFFFFF:08x}".lstrip("-")


def written(pointer: str, value: str) -> str:
    """What the pipeline file says at a place of the step's `with` table: the value itself, or the text of its references
    (`${roles.role_arns.ops}`) where other steps give it. `pointer` is a JSON pointer such as `/admins/0`; `value` is what
    the configuration has there."""
    found = file.written(pointer)
    return value if found is None else found


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) with these parts: `pointer("access", "a/b", 0)` is `/access/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class Names:
    """The names of a step's resources of one kind. Says where two of them are the same."""

    def __init__(self, kind: str) -> None:
        """For resources of this kind, in words: `security group rule`."""
        self._kind = kind
        self._taken: dict[str, str] = {}

    def take(self, identity: str, place: str) -> str:
        """The name of a resource (`name_of`). `place` is what the user calls it, as a message names it. Raises a failure
        where the step has a resource with this identity already, and names both places."""
        if identity in self._taken:
            first = self._taken[identity]
            raise invalid(f"{first} and {place} are the same {self._kind} ({identity}); remove one of them")
        self._taken[identity] = place
        return name_of(identity)
