"""Label selectors, field selectors and LabelSelector objects."""

import re

from .errors import bad_request

_SET = re.compile(r"^\s*([^\s!=(),]+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)\s*$")
_EXISTS = re.compile(r"^\s*(!?)\s*([^\s!=(),]+)\s*$")


def _split(text):
    depth, part = 0, ""
    for char in text:
        if char == "," and depth == 0:
            yield part
            part = ""
            continue
        depth += (char == "(") - (char == ")")
        part += char
    yield part


def parse_labels(text):
    """A predicate over labels for the ``labelSelector`` parameter."""
    tests = []
    for part in _split(text or ""):
        if not part.strip():
            continue
        match = _SET.match(part)
        if match:
            key, operator = match.group(1), match.group(2)
            values = {v.strip() for v in match.group(3).split(",")}
            if operator == "in":
                tests.append(lambda l, k=key, v=values: l.get(k) in v)
            else:
                tests.append(lambda l, k=key, v=values: l.get(k) not in v)
            continue
        match = _EQUAL.match(part)
        if match:
            key, operator, value = match.groups()
            if operator == "!=":
                tests.append(lambda l, k=key, v=value: l.get(k) != v)
            else:
                tests.append(lambda l, k=key, v=value: l.get(k) == v)
            continue
        match = _EXISTS.match(part)
        if not match:
            raise bad_request(f'unable to parse requirement: {part.strip()}')
        key = match.group(2)
        if match.group(1):
            tests.append(lambda l, k=key: k not in l)
        else:
            tests.append(lambda l, k=key: k in l)
    return lambda labels: all(t(labels) for t in tests)


def parse_fields(text):
    """A predicate over objects for the ``fieldSelector`` parameter."""
    tests = []
    for part in (text or "").split(","):
        if not part.strip():
            continue
        match = _EQUAL.match(part)
        if not match:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path, operator, value = match.groups()
        tests.append((path.split("."), operator != "!=", value))

    def matches(obj):
        for path, positive, value in tests:
            found = obj
            for key in path:
                found = found.get(key) if isinstance(found, dict) else None
            text = "" if found is None else (str(found).lower() if isinstance(found, bool) else str(found))
            if (text == value) != positive:
                return False
        return True
    return matches


def selects(selector, labels) -> bool:
    """Whether a LabelSelector object matches; an absent one matches nothing."""
    if selector is None:
        return False
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    return all(expression(e, labels) for e in selector.get("matchExpressions") or [])


def expression(item, labels) -> bool:
    """One match expression, with the operators of node selectors too."""
    key, values = item.get("key"), item.get("values") or []
    operator, found = item.get("operator"), labels.get(item.get("key"))
    if operator == "In":
        return found in values
    if operator == "NotIn":
        return found not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    if operator in ("Gt", "Lt"):
        try:
            left, right = int(found), int(values[0])
        except (TypeError, ValueError, IndexError):
            return False
        return left > right if operator == "Gt" else left < right
    return False
