"""Whether properties are what a type takes, in the words of CloudFormation's schema validator.

Cloud Control takes no text for a number and no number for a text, other than templates of CloudFormation.
What the table does not know is not checked: open objects, patterns that look ahead or take too long.
"""

import functools

import regex

# No pattern that is meant to be matched takes as long.
PATIENCE = 0.25


def problems(of, properties, is_known=lambda text: False):
    """Everything that is wrong. A text for which `is_known` holds is an identifier or attribute that the emulator
    made up: its form is not held against it."""
    if not isinstance(properties, dict):
        return ["#: expected type: JSONObject, found: " + name_of(properties)]
    checker = Checker(of, is_known)
    checker.object("#", "", of.properties, of.choices, False, properties)
    return checker.found


class Checker:
    def __init__(self, of, is_known):
        self.of, self.is_known, self.found = of, is_known, []

    def say(self, place, what):
        self.found.append(f"{place}: {what}")

    def object(self, place, path, properties, choices, is_open, given):
        """`path` is the place with `*` for every element, as the type's own paths have it."""
        top = place == "#"
        attributes = {name.split(".")[0] for name in self.of.attributes} if top else ()
        for name, value in given.items():
            if f"{path}/{name}" in self.of.read_only or (name in attributes and name not in properties):
                self.say(f"{place}/{name}", "a read-only property cannot be specified")
            elif name in properties:
                self.value(f"{place}/{name}", f"{path}/{name}", properties[name].shape, value)
            elif not is_open:
                self.say(place, f"extraneous key [{name}] is not permitted")
        for name, one in properties.items():
            if one.required and name not in given and f"{path}/{name}" not in self.of.read_only:
                self.say(place, f"required key [{name}] not found")
        for choice in choices:
            if not any(all(name in given for name in names) for names in choice):
                wanted = " or ".join("[" + ", ".join(names) + "]" for names in choice)
                self.say(place, f"no subschema matched: one of {wanted} is required")

    def value(self, place, path, shape, value):
        if not is_of(shape, value):
            self.say(place, f"expected type: {expected(shape)}, found: {name_of(value)}")
        elif shape.kind == "text":
            self.text(place, shape, value)
        elif shape.kind in ("integer", "number"):
            self.number(place, shape, value)
        elif shape.kind == "list":
            self.list(place, path, shape, value)
        elif shape.kind == "map":
            for key, element in value.items():
                self.value(f"{place}/{key}", f"{path}/*", shape.element, element)
        elif shape.kind == "object":
            wanted = self.of.definitions[shape.definition]
            # Of some objects the source knows no properties.
            self.object(place, path, wanted.properties, wanted.choices, not wanted.properties, value)
        elif shape.kind == "one of":
            self.one_of(place, path, shape, value)

    def text(self, place, shape, value):
        if self.is_known(value):
            return
        if shape.allowed:
            same = str.lower if shape.any_case else str
            if same(value) not in map(same, shape.allowed):
                self.say(place, "failed validation constraint for keyword [enum]")
        if shape.least is not None and len(value) < shape.least:
            self.say(place, f"expected minLength: {shape.least}, actual: {len(value)}")
        if shape.most is not None and len(value) > shape.most:
            self.say(place, f"expected maxLength: {shape.most}, actual: {len(value)}")
        if shape.pattern is not None and not matches(shape.pattern, value):
            self.say(place, "failed validation constraint for keyword [pattern]")

    def number(self, place, shape, value):
        if shape.allowed and value not in shape.allowed:
            self.say(place, "failed validation constraint for keyword [enum]")
        if shape.least is not None and value < shape.least:
            self.say(place, f"{value} is not greater or equal to {shape.least}")
        if shape.most is not None and value > shape.most:
            self.say(place, f"{value} is not less or equal to {shape.most}")

    def list(self, place, path, shape, value):
        if shape.least is not None and len(value) < shape.least:
            self.say(place, f"expected minimum item count: {shape.least}, found: {len(value)}")
        if shape.most is not None and len(value) > shape.most:
            self.say(place, f"expected maximum item count: {shape.most}, found: {len(value)}")
        if shape.unique and any(same in value[at + 1:] for at, same in enumerate(value)):
            self.say(place, "array items are not unique")
        for at, element in enumerate(value):
            self.value(f"{place}/{at}", f"{path}/*", shape.element, element)

    def one_of(self, place, path, shape, value):
        """Says what is wrong with the alternative that comes nearest."""
        attempts = []
        for one in shape.shapes:
            if is_of(one, value):
                attempt = Checker(self.of, self.is_known)
                attempt.value(place, path, one, value)
                attempts.append(attempt.found)
        self.found += min(attempts, key=len)


def is_of(shape, value):
    """Whether the value has the JSON type that a shape takes."""
    if shape.kind == "one of":
        return any(is_of(one, value) for one in shape.shapes)
    if shape.kind == "json":
        wanted = {"any": object, "object": dict, "object or text": (dict, str)}[shape.form]
        return value is not None and isinstance(value, wanted)
    if isinstance(value, bool) or shape.kind == "boolean":
        return shape.kind == "boolean" and isinstance(value, bool)
    if shape.kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, {"text": str, "number": (int, float), "list": list, "map": dict, "object": dict}[shape.kind])


NAMES = {"text": "String", "integer": "Integer", "number": "Number", "boolean": "Boolean", "list": "JSONArray", "map": "JSONObject", "object": "JSONObject", "json": "JSONObject"}


def expected(shape):
    if shape.kind == "one of":
        return " or ".join(dict.fromkeys(expected(one) for one in shape.shapes))
    return NAMES[shape.kind]


def name_of(value):
    names = {str: "String", bool: "Boolean", int: "Integer", float: "Number", list: "JSONArray", dict: "JSONObject"}
    return names.get(type(value), "Null")


def matches(pattern, text):
    """Whether a pattern occurs in a text. One that cannot be compiled, or takes too long, refuses nothing."""
    found = compiled(pattern)
    try:
        return found is None or found.search(text, timeout=PATIENCE) is not None
    except TimeoutError:
        return True


@functools.lru_cache(maxsize=4096)
def compiled(pattern):
    try:
        return regex.compile(translated(pattern))
    except regex.error:
        return None


def translated(pattern):
    r"""JavaScript's expression in Python's words: `\w` and `\d` mean ASCII, and `$` is the end of the text alone."""
    out, in_class, at = [], False, 0
    while at < len(pattern):
        sign = pattern[at:at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(sign)
        if sign in (r"\w", r"\d"):
            signs = {r"\w": "A-Za-z0-9_", r"\d": "0-9"}[sign]
            out.append(signs if in_class else f"[{signs}]")
            if in_class and pattern[at:at + 1] == "-":
                # No range begins with a set.
                out.append(r"\-")
                at += 1
        elif sign == "[" and not in_class:
            in_class = True
            out.append(sign)
        elif sign == "[":
            out.append(r"\[")
        elif sign == "]":
            in_class = False
            out.append(sign)
        elif sign == "$" and not in_class:
            out.append(r"\Z")
        elif in_class and sign in "&~|-" and pattern[at:at + 1] == sign:
            # Two of them may be operators within classes.
            out.append("\\" + sign)
        else:
            out.append(sign)
    return "".join(out)
