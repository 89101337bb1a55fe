"""What there is: each resource with its properties and attributes, by account, place, type and identifier."""

import json
from dataclasses import dataclass

from moto.utilities.utils import get_partition

from . import compare, hooks, madeup

# By account, region or partition, and type.
kept = {}
# Texts that were made up and may stand in properties of others, whatever form these ask for.
known = set()
# A shorter text may occur in another one by chance.
DISTINCT = 8


def reset():
    kept.clear()
    known.clear()


@dataclass
class Record:
    of: object
    identifier: str
    # As they were stated, those that are write-only among them.
    properties: dict
    # What the service says; the names of parts have points in them: `Endpoint.Port`.
    attributes: dict
    # For what has to have a name and was given none.
    made_up_name: str = None
    # The resource of moto, where it has one.
    twin: object = None

    def model(self):
        """All that can be read: properties and attributes in one object."""
        live = hooks.LIVE.get(self.of.name) if self.twin else None
        found = dict(compare.readable(self.of, {**self.properties, **(live(self.twin.resource) if live else {})}))
        for name, value in self.attributes.items():
            put(found, name.split("."), value)
        return found

    def is_there(self):
        """Whether its service has it still."""
        return self.twin is None or self.twin.is_there()


def put(into, steps, value):
    *before, last = steps
    for step in before:
        inner = into.get(step)
        into[step] = dict(inner) if isinstance(inner, dict) else {}
        into = into[step]
    if last not in into:
        into[last] = value


def place(of, account, region):
    """Where resources of a type are looked for: types without a region in their ARN are in all of them."""
    is_global = of.arn is not None and "${Region}" not in of.arn
    return account, get_partition(region) if is_global else region, of.name


def of_type(of, account, region):
    """The resources of a type, by identifier, in the order in which they were made."""
    return kept.setdefault(place(of, account, region), {})


def prepared(of, properties, account, region):
    """A record of what is about to be made, with what a service would say of it."""
    maker = madeup.Maker(of, properties, account, region)
    properties = dict(properties)
    for part in of.identifier:
        steps = part.replace("/", ".").split(".")
        if len(steps) > 1 and steps[0] in of.properties:
            # `Schedule/ScheduleId`: a part of a property.
            put(properties, steps, maker.hex[:12])
        elif part in of.properties and part not in properties:
            shape = of.properties[part].shape
            properties[part] = maker.name(shape) if part.lower().endswith("name") else maker.value(part, shape)
            known.add(str(properties[part]))
            maker.properties = properties
    attributes = {name: value for name, value in maker.everything().items() if is_shown(of, name, properties)}
    record = Record(of, "", properties, attributes, maker.name())
    # Of some types the table knows no identifier.
    record.identifier = identifier(record) or maker.hex[:12]
    return record


def is_shown(of, name, properties):
    """Whether an attribute can be there: a part of a property is where that property is stated, or is all the
    service's own, such as an endpoint."""
    *outer, _ = name.split(".")
    if name in of.properties and name not in (*of.identifier, *of.reference) and not name.lower().endswith(("name", "id", "arn", "url")):
        # What can be stated and was not is a default, unless it is what a resource is called.
        return False
    path, inside = "", properties
    known = {**{each: shape for each, shape in of.attributes.items()}, **{each: one.shape for each, one in of.properties.items()}}
    for step in outer:
        path, shape = f"{path}/{step}", known.get(step)
        inside = inside.get(step) if isinstance(inside, dict) else None
        if shape is None or shape.kind != "object":
            return path[1:] in of.attributes
        parts = of.definitions[shape.definition].properties
        if inside is None and not all(f"{path}/{part}" in of.read_only for part in parts):
            return path[1:] in of.attributes and path[1:] not in of.properties
        known = {each: one.shape for each, one in parts.items()}
    return True


def identifier(record):
    """The values of the primary identifier's properties, joined as Cloud Control joins them."""
    model = {**record.properties}
    for name, value in record.attributes.items():
        put(model, name.split("."), value)
    found = []
    for part in record.of.identifier:
        value = model
        for step in part.replace("/", ".").split("."):
            value = value.get(step) if isinstance(value, dict) else None
        found.append(value if isinstance(value, str) else json.dumps(value))
    return "|".join(found)


def paired(record, twin):
    """Takes over what the service of a type says of its resource; what it does not say stays made up."""
    of, record.twin = record.of, twin
    told = {name: twin.attribute(name) for name in record.attributes}
    names = of.reference or of.identifier
    if len(names) == 1 and names[0] in told and told[names[0]] is None:
        told[names[0]] = twin.id
    told = {name: value for name, value in told.items() if value is not None}
    # What was made up of something that the service calls otherwise.
    for name, value in record.attributes.items():
        for other, new in told.items():
            old = record.attributes[other]
            if isinstance(value, str) and isinstance(old, str) and len(old) >= DISTINCT and name not in told:
                value = value.replace(old, str(new))
        told.setdefault(name, value)
    record.attributes = told
    record.identifier = identifier(record) or record.identifier


def adopted(of, twin, account, region):
    """A record of what its service made without Cloud Control."""
    stated = {name: twin.id for name in (of.reference or of.identifier)[:1] if name in of.properties}
    record = prepared(of, stated, account, region)
    record.twin = twin
    paired(record, twin)
    return record


def keep(record, account, region):
    of_type(record.of, account, region)[record.identifier] = record
    known.update(value for value in record.attributes.values() if isinstance(value, str))
    known.add(record.identifier)


def asked(of, text):
    """An identifier as it was asked for: as text, or as an object of its properties."""
    if text.startswith("{"):
        try:
            parts = json.loads(text)
            return "|".join(str(parts[name]) for name in of.identifier)
        except (ValueError, KeyError, TypeError):
            pass
    if of.name == "AWS::SQS::Queue" and text.count("/") > 1:
        # Whatever host it was asked through.
        return hooks.queue_url(*text.rsplit("/", 2)[1:])
    return text
