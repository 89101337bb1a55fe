"""What a change does: which properties cannot be changed in place, which are the service's own."""


def fixed(of, old, new):
    """The properties whose values differ though they can be stated only at the creation, as paths of the schema."""
    found = []
    walk(of, "/properties", of.properties, old, new, found)
    return found


def walk(of, path, properties, old, new, found):
    for name, one in properties.items():
        was, will = old.get(name), new.get(name)
        if same(of, one.shape, was, will):
            continue
        if one.replaces == "yes":
            found.append(f"{path}/{name}")
        else:
            within(of, f"{path}/{name}", one.shape, was, will, found)


def within(of, path, shape, old, new, found):
    if shape.kind == "object" and isinstance(old, dict) and isinstance(new, dict):
        walk(of, path, of.definitions[shape.definition].properties, old, new, found)
    elif shape.kind == "one of":
        for one in shape.shapes:
            within(of, path, one, old, new, found)
    elif shape.kind == "list" and shape.ordered and isinstance(old, list) and isinstance(new, list):
        # An element that comes or goes is another one as a whole.
        for was, will in zip(old, new):
            within(of, f"{path}/*", shape.element, was, will, found)


def same(of, shape, one, other):
    """Whether two values are the same to AWS: the order in some lists means nothing."""
    if type(one) is not type(other):
        return one == other
    if shape.kind == "one of":
        return any(same(of, each, one, other) for each in shape.shapes)
    if shape.kind == "list" and isinstance(one, list) and len(one) == len(other):
        if shape.ordered:
            return all(same(of, shape.element, *pair) for pair in zip(one, other))
        left = list(other)
        for value in one:
            at = next((at for at, each in enumerate(left) if same(of, shape.element, value, each)), None)
            if at is None:
                return False
            left.pop(at)
        return True
    if shape.kind in ("map", "object") and isinstance(one, dict) and one.keys() == other.keys():
        shapes = {name: known.shape for name, known in of.definitions[shape.definition].properties.items()} if shape.kind == "object" else {}
        return all(same(of, shapes.get(name) or shape.element or shape, one[name], other[name]) for name in one)
    return one == other


def readable(of, properties):
    """Properties without what AWS takes and never tells."""
    found = properties
    for pointer in of.write_only:
        found = without(found, pointer.strip("/").split("/"))
    return found


def stated(of, after, before):
    """A new model without what the service says of a resource: parts that it sets, where they are what they were."""
    for path in [name.split(".") for name in of.attributes if "." in name] + [pointer.strip("/").split("/") for pointer in of.read_only]:
        if "*" in path or value_at(after, path) == value_at(before, path):
            after = without(after, path)
    return after


def value_at(value, path):
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def without(value, path):
    """A copy of a value without what a path leads to; `*` is any element."""
    step, *rest = path
    if isinstance(value, list):
        # Some schemas name the element, others leave it out.
        return [without(one, rest if step == "*" and rest else path) for one in value]
    if not isinstance(value, dict):
        return value
    if step == "*":
        return {name: without(one, rest) for name, one in value.items()} if rest else {}
    if step not in value:
        return value
    if not rest:
        return {name: one for name, one in value.items() if name != step}
    return {**value, step: without(value[step], rest)}


def restored(of, properties, before):
    """New properties with the write-only values of before where they are stated no more: nobody could read them."""
    found = dict(properties)
    for pointer in of.write_only:
        steps = pointer.strip("/").split("/")
        if "*" not in steps:
            put_back(found, before, steps)
    return found


def put_back(into, before, steps):
    step, *rest = steps
    if not isinstance(before, dict) or step not in before or not isinstance(into, dict):
        return
    if not rest:
        into.setdefault(step, before[step])
    elif step in into:
        into[step] = dict(into[step]) if isinstance(into[step], dict) else into[step]
        put_back(into[step], before[step], rest)
