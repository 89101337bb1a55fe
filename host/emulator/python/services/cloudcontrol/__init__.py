"""The Cloud Control API, for every type that CloudFormation's registry has.

A type's properties are held to its schema, as Cloud Control does it. What moto has is made there (`models`), all
else is kept here alone. Not imitated: types of other publishers, hooks, the throttling of single types, the
operations that are cancelled, and services' own defaults.
"""

import json

from ..http import Refused
from . import check, compare, hooks, models, patch, permitted, records, table
from .progress import conclude, requests, status, tokens, under_token

PAGE = 20
VERBS = {"CreateResource": "CREATE", "GetResource": "READ", "UpdateResource": "UPDATE", "DeleteResource": "DELETE", "ListResources": "LIST"}


def reset():
    for kept in (requests, tokens):
        kept.clear()
    records.reset()


def handle(call):
    if call.target == "GetResourceRequestStatus":
        return status(call)
    work = {"CreateResource": create, "GetResource": get, "UpdateResource": update, "DeleteResource": delete, "ListResources": listed}.get(call.target)
    if work is None:
        raise Refused("UnsupportedActionException", f"{call.target} is not imitated", 405)
    of = table.find(wanted(call, "TypeName"))
    if of is None or of.transform:
        raise Refused("TypeNotFoundException", f"The type '{call.body['TypeName']}' cannot be found.", 404)
    verb = VERBS[call.target]
    if of.handlers is not None and verb not in of.handlers:
        raise Refused("UnsupportedActionException", f"Resource type {of.name} does not support {verb} action")
    return work(call, of)


def wanted(call, name):
    """A parameter that has to be there."""
    value = call.body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid(f"1 validation error detected: Value at '{name[0].lower()}{name[1:]}' failed to satisfy constraint: Member must not be null")
    return value


def invalid(message):
    return Refused("ValidationException", message)


def document(call, name):
    try:
        return json.loads(wanted(call, name))
    except ValueError:
        raise invalid(f"{name} is no JSON") from None


def checked(of, properties):
    problems = check.problems(of, properties, records.known.__contains__)
    if problems:
        raise invalid(f"Model validation failed ({' '.join(problems)})")


@under_token
def create(call, of):
    properties = document(call, "DesiredState")
    checked(of, properties)
    denial = permitted.denial(call, of, "CREATE")
    if denial:
        return conclude(call, "CREATE", None, "AccessDenied", denial)
    record = records.prepared(of, properties, call.account, call.region)
    if find(call, of, record.identifier):
        return conclude(call, "CREATE", record.identifier, "AlreadyExists", f"Resource of type '{of.name}' with identifier '{record.identifier}' already exists.")
    try:
        twin = models.Twin.create(record, call.account, call.region)
        if twin:
            records.paired(record, twin)
    except models.Refusal as refusal:
        if is_meant(refusal, of, properties):
            return conclude(call, "CREATE", None, refusal.code, refusal.message)
    records.keep(record, call.account, call.region)
    return conclude(call, "CREATE", record.identifier)


def is_meant(refusal, of, properties):
    """Whether AWS would refuse as well. Moto's models do not know all that their types have, so what else they
    refuse is kept here alone."""
    if refusal.code in ("AlreadyExists", "ServiceLimitExceeded") or of.name in hooks.LIVE:
        return True
    # Something that the properties refer to is not there, and was not made here either.
    texts = referring(of, of.properties, properties)
    return refusal.code == "NotFound" and any(text in refusal.message for text in texts if text not in records.known)


def referring(of, properties, given):
    """The texts of properties that refer to resources of other types."""
    for name, value in given.items():
        one = properties.get(name)
        for each in value if isinstance(value, list) else [value]:
            if one and isinstance(each, dict):
                shape = one.shape.element or one.shape
                if shape.kind == "object":
                    yield from referring(of, of.definitions[shape.definition].properties, each)
            elif one and isinstance(each, str) and each and one.references:
                yield each


def find(call, of, identifier):
    """The resource of an identifier, or nothing."""
    identifier = records.asked(of, identifier)
    record = records.of_type(of, call.account, call.region).get(identifier)
    if record and record.is_there():
        return record
    if len(of.identifier) == 1:
        for twin in models.Twin.of_service(of, call.account, call.region):
            if identifier in (twin.id, twin.attribute(of.identifier[0])):
                return records.adopted(of, twin, call.account, call.region)
    return None


def missing(call, of):
    return f"Resource of type '{of.name}' with identifier '{call.body['Identifier']}' was not found."


def existing(call, of):
    record = find(call, of, wanted(call, "Identifier"))
    if record is None:
        raise Refused("ResourceNotFoundException", missing(call, of), 404)
    return record


def get(call, of):
    denial = permitted.denial(call, of, "READ")
    if denial:
        raise Refused("AccessDeniedException", denial)
    return {"TypeName": of.name, "ResourceDescription": described(existing(call, of))}


def described(record):
    return {"Identifier": record.identifier, "Properties": json.dumps(record.model())}


def listed(call, of):
    denial = permitted.denial(call, of, "LIST")
    if denial:
        raise Refused("AccessDeniedException", denial)
    every = {key: record for key, record in records.of_type(of, call.account, call.region).items() if record.is_there()}
    if len(of.identifier) == 1:
        known = {id(record.twin.resource) for record in every.values() if record.twin}
        for twin in models.Twin.of_service(of, call.account, call.region):
            if id(twin.resource) not in known:
                record = records.adopted(of, twin, call.account, call.region)
                every.setdefault(record.identifier, record)
    given = document(call, "ResourceModel") if call.body.get("ResourceModel") else {}
    alike = lambda model: all(model.get(name) == value for name, value in given.items())  # noqa: E731
    found = [record for record in every.values() if alike(record.model())]
    return {"TypeName": of.name, **page(call, [described(record) for record in found])}


def page(call, found):
    try:
        start, size = int(call.body.get("NextToken") or 0), int(call.body.get("MaxResults") or PAGE)
    except ValueError:
        raise invalid("NextToken is none that this service gave") from None
    rest = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {"ResourceDescriptions": found[start:start + size], **rest}


@under_token
def update(call, of):
    changes, record = document(call, "PatchDocument"), existing(call, of)
    before = record.model()
    try:
        after = patch.applied(before, changes)
    except patch.Invalid as error:
        raise invalid(f"Invalid patch update: {error}") from None
    if not isinstance(after, dict):
        checked(of, after)
    own = {name.split(".")[0] for name in of.attributes} - set(record.properties)
    same = {name for name in own if after.get(name) == before.get(name)}
    changed = sorted(f"/properties/{name}" for name in own - same if name not in of.properties)
    if changed:
        raise invalid(f"Invalid patch update: readOnlyProperties [{', '.join(changed)}] cannot be updated")
    # A name that was made up is a property as well.
    old = {**record.properties, **{name: before[name] for name in own - same if name in before}}
    after = compare.stated(of, {name: value for name, value in after.items() if name not in same}, before)
    properties = compare.restored(of, after, record.properties)
    checked(of, properties)
    fixed = compare.fixed(of, old, properties)
    if fixed:
        raise Refused("NotUpdatableException", f"Invalid patch update: createOnlyProperties [{', '.join(fixed)}] cannot be updated")
    denial = permitted.denial(call, of, "UPDATE")
    if denial:
        return conclude(call, "UPDATE", record.identifier, "AccessDenied", denial)
    try:
        if record.twin:
            record.twin.update(properties)
    except models.Refusal as refusal:
        if refusal.code == "ServiceLimitExceeded":
            return conclude(call, "UPDATE", record.identifier, refusal.code, refusal.message)
    record.properties = properties
    records.keep(record, call.account, call.region)
    return conclude(call, "UPDATE", record.identifier)


@under_token
def delete(call, of):
    record = find(call, of, wanted(call, "Identifier"))
    if record is None:
        return conclude(call, "DELETE", call.body["Identifier"], "NotFound", missing(call, of))
    denial = permitted.denial(call, of, "DELETE")
    if denial:
        return conclude(call, "DELETE", record.identifier, "AccessDenied", denial)
    try:
        if record.twin:
            record.twin.delete(record.properties)
    except models.Refusal as refusal:
        return conclude(call, "DELETE", record.identifier, refusal.code, refusal.message)
    records.of_type(of, call.account, call.region).pop(record.identifier, None)
    return conclude(call, "DELETE", record.identifier)
