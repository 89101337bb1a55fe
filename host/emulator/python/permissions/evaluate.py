"""Whether policies allow an action on a resource: an explicit deny wins, and what is not allowed is denied."""

import functools
import re


def listed(value):
    return value if isinstance(value, list) else [value]


@functools.lru_cache(maxsize=4096)
def pattern(text, fold):
    """A pattern of IAM: `*` stands for any text, `?` for any character."""
    parts = ("." + "*" * (part == "*") if part in "*?" else re.escape(part) for part in re.split(r"([*?])", text) if part)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL if fold else re.DOTALL)


def matches(patterns, text, fold=False):
    return any(pattern(one, fold).fullmatch(text) for one in listed(patterns))


def verdict(documents, action, resource, context):
    """`Allow`, `Deny` where a statement says so, and nothing where none speaks of it."""
    allowed = None
    for document in documents:
        for statement in listed(document.get("Statement", [])):
            if not applies(statement, action, resource, context):
                continue
            if statement["Effect"] == "Deny":
                return "Deny"
            allowed = "Allow"
    return allowed


def applies(statement, action, resource, context):
    if "Action" in statement and not matches(statement["Action"], action, fold=True):
        return False
    if "NotAction" in statement and matches(statement["NotAction"], action, fold=True):
        return False
    # Without a resource it is one whose ARN is not known here.
    if "Resource" in statement and resource is not None and not matches(statement["Resource"], resource):
        return False
    if "NotResource" in statement and resource is not None and matches(statement["NotResource"], resource):
        return False
    conditions = statement.get("Condition", {})
    return all(holds(operator, key, wanted, context) for operator, keys in conditions.items() for key, wanted in keys.items())


# What each operator asks of one value and one wanted value.
OPERATORS = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringEqualsIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "StringLike": lambda value, wanted: matches(wanted, value),
    "ArnEquals": lambda value, wanted: matches(wanted, value),
    "ArnLike": lambda value, wanted: matches(wanted, value),
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
}
NEGATIONS = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike", "ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike"}


def holds(operator, key, wanted, context):
    """Whether a condition holds. One that is not imitated never does, so that it allows nothing."""
    quantifier, _, operator = operator.rpartition(":")
    optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    value = next((value for name, value in context.items() if name.lower() == key.lower()), None)
    wanted = [str(one) for one in listed(wanted)]
    if operator == "Null":
        return (value is None) == (wanted[0].lower() == "true")
    negated, operator = operator in NEGATIONS, NEGATIONS.get(operator, operator)
    if operator not in OPERATORS:
        return False
    if value is None:
        return optional or negated or quantifier == "ForAllValues"
    meets = lambda one: any(OPERATORS[operator](one, other) for other in wanted) != negated  # noqa: E731
    return (any if quantifier == "ForAnyValue" else all)(meets(one) for one in listed(value))
