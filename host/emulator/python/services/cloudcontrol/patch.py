"""Patch documents: JSON Patch, RFC 6902, with JSON Pointers of RFC 6901."""

import copy


class Invalid(Exception):
    """A patch document that cannot be applied, and why."""


def applied(document, changes):
    """The document with all changes made, in their order; the one that was given stays as it is."""
    if not isinstance(changes, list):
        raise Invalid("a patch document is a list of operations")
    document = {"": copy.deepcopy(document)}
    for change in changes:
        if not isinstance(change, dict):
            raise Invalid("an operation is an object")
        operation = OPERATIONS.get(change.get("op"))
        if operation is None:
            raise Invalid(f"there is no operation '{change.get('op')}'")
        operation(document, change)
    return document[""]


def parts(change, name="path"):
    """The steps of a pointer, below a root that holds the whole document as its member ''."""
    pointer = change.get(name)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise Invalid(f"the operation '{change.get('op')}' has no {name}, or one that is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]


def wanted(change):
    if "value" not in change:
        raise Invalid(f"the operation '{change['op']}' has no value")
    return copy.deepcopy(change["value"])


def holder(document, steps):
    """What the last step is in."""
    for step in steps[:-1]:
        document = document[place(document, step)]
    return document, steps[-1]


def place(found, step, may_be_new=False):
    """The key or index of a step, which has to be there."""
    if isinstance(found, dict):
        if may_be_new or step in found:
            return step
    elif isinstance(found, list):
        if may_be_new and step == "-":
            return len(found)
        # No sign and no leading zero.
        if step.isdecimal() and str(int(step)) == step and int(step) < len(found) + may_be_new:
            return int(step)
    raise Invalid(f"there is no such path in the resource: '{step}' is missing")


def put(document, steps, value):
    found, step = holder(document, steps)
    at = place(found, step, may_be_new=True)
    if isinstance(found, list):
        found.insert(at, value)
    else:
        found[at] = value


def taken(document, steps):
    found, step = holder(document, steps)
    return found.pop(place(found, step))


def value_at(document, steps):
    found, step = holder(document, steps)
    return found[place(found, step)]


def add(document, change):
    put(document, parts(change), wanted(change))


def remove(document, change):
    taken(document, parts(change))


def replace(document, change):
    found, step = holder(document, parts(change))
    found[place(found, step)] = wanted(change)


def move(document, change):
    source, target = parts(change, "from"), parts(change)
    if target[:len(source)] == source and target != source:
        raise Invalid("a value cannot be moved into itself")
    put(document, target, taken(document, source))


def copied(document, change):
    put(document, parts(change), copy.deepcopy(value_at(document, parts(change, "from"))))


def test(document, change):
    if value_at(document, parts(change)) != wanted(change):
        raise Invalid(f"the test of '{change['path']}' failed")


OPERATIONS = {"add": add, "remove": remove, "replace": replace, "move": move, "copy": copied, "test": test}
