"""JSON patch (RFC 6902), merge patch (RFC 7386) and strategic merge patch."""

from .apply import clone, same
from .errors import ApiError, bad_request
from .schema import ANY, PATCH_KEYS


def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge_patch(out.get(key), value)
    return out


# -- JSON patch -------------------------------------------------------------

def _unprocessable(message):
    return ApiError(422, "Invalid", message, {})


def _pointer(text):
    if text == "":
        return []
    if not isinstance(text, str) or not text.startswith("/"):
        raise bad_request(f"invalid JSON pointer: {text}")
    return [p.replace("~1", "/").replace("~0", "~") for p in text[1:].split("/")]


def _index(items, token, path, adding=False):
    if token == "-" and adding:
        return len(items)
    try:
        index = int(token)
    except ValueError:
        raise _unprocessable("the server rejected our request due to an error in our request") from None
    if index < 0 or index > len(items) - (0 if adding else 1):
        raise _unprocessable("the server rejected our request due to an error in our request")
    return index


def _walk(document, tokens):
    for token in tokens:
        if isinstance(document, dict) and token in document:
            document = document[token]
        elif isinstance(document, list):
            document = document[_index(document, token, tokens)]
        else:
            raise _unprocessable("the server rejected our request due to an error in our request")
    return document


def json_patch(target, operations):
    if not isinstance(operations, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = clone(target)

    def add(path, value):
        nonlocal document
        tokens = _pointer(path)
        if not tokens:
            document = value
            return
        parent = _walk(document, tokens[:-1])
        if isinstance(parent, list):
            parent.insert(_index(parent, tokens[-1], tokens, True), value)
        elif isinstance(parent, dict):
            parent[tokens[-1]] = value
        else:
            raise _unprocessable("the server rejected our request due to an error in our request")

    def take(path):
        tokens = _pointer(path)
        parent = _walk(document, tokens[:-1])
        value = _walk(parent, tokens[-1:])
        if isinstance(parent, list):
            del parent[_index(parent, tokens[-1], tokens)]
        else:
            del parent[tokens[-1]]
        return value

    for operation in operations:
        if not isinstance(operation, dict):
            raise bad_request("error decoding patch")
        kind, path = operation.get("op"), operation.get("path", "")
        if kind == "add":
            add(path, clone(operation.get("value")))
        elif kind == "remove":
            take(path)
        elif kind == "replace":
            _walk(document, _pointer(path))
            if _pointer(path):
                tokens = _pointer(path)
                parent = _walk(document, tokens[:-1])
                if isinstance(parent, list):
                    parent[_index(parent, tokens[-1], tokens)] = clone(operation.get("value"))
                else:
                    parent[tokens[-1]] = clone(operation.get("value"))
            else:
                document = clone(operation.get("value"))
        elif kind == "move":
            add(path, take(operation.get("from", "")))
        elif kind == "copy":
            add(path, clone(_walk(document, _pointer(operation.get("from", "")))))
        elif kind == "test":
            try:
                found = _walk(document, _pointer(path))
            except ApiError:
                found = None
            if not same(found, operation.get("value")):
                raise _unprocessable("the server rejected our request due to an error in our request")
        else:
            raise bad_request(f"unexpected kind: {kind}")
    return document


# -- strategic merge patch --------------------------------------------------

def strategic_patch(target, patch, schema, plural=""):
    if not isinstance(patch, dict):
        raise bad_request("cannot unmarshal the patch into an object")
    return _strategic(target, patch, schema, plural)


def _strategic(target, patch, schema, plural):
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    if directive == "replace":
        return {k: clone(v) for k, v in patch.items() if k != "$patch"}
    out = dict(target) if isinstance(target, dict) else {}
    retain = patch.get("$retainKeys")
    if retain is not None:
        out = {k: v for k, v in out.items() if k in retain}
    orders = {}
    for key, value in patch.items():
        if key.startswith("$setElementOrder/"):
            orders[key.split("/", 1)[1]] = value
        elif key.startswith("$deleteFromPrimitiveList/"):
            name = key.split("/", 1)[1]
            if isinstance(out.get(name), list):
                out[name] = [v for v in out[name] if v not in value]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        # Patches reach into the maps that apply takes as one value.
        sub = schema.field(key)[0] if schema.kind in ("struct", "map") else ANY
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            before = out.get(key)
            if value.get("$patch") == "delete":
                out.pop(key, None)
            else:
                out[key] = _strategic(before if isinstance(before, dict) else {}, value, sub, plural)
        elif isinstance(value, list):
            out[key] = _strategic_list(out.get(key), value, sub, PATCH_KEYS.get((plural, key)), plural)
        else:
            out[key] = value
    for name, order in orders.items():
        if isinstance(out.get(name), list):
            sub = schema.field(name)[0] if schema.kind in ("struct", "map") else ANY
            key = PATCH_KEYS.get((plural, name)) or sub.patch_key
            out[name] = _ordered(out[name], order, key)
    return out


def _strategic_list(target, patch, schema, key, plural):
    items = list(target) if isinstance(target, list) else []
    if schema.kind == "listset":
        return items + [v for v in patch if v not in items]
    key = key or (schema.patch_key if schema.kind == "listmap" else None)
    if key is None:
        return clone(patch)
    if any(isinstance(i, dict) and i.get("$patch") == "replace" for i in patch):
        return [clone(i) for i in patch if not (isinstance(i, dict) and "$patch" in i)]
    element = schema.element or ANY
    for item in patch:
        if not isinstance(item, dict):
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        if key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        at = next((n for n, old in enumerate(items)
                   if isinstance(old, dict) and old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            items = [old for old in items if not (isinstance(old, dict) and old.get(key) == item[key])]
        elif at is None:
            items.append(_strategic({}, item, element, plural))
        else:
            items[at] = _strategic(items[at], item, element, plural)
    return items


def _ordered(items, order, key):
    """Items in the wanted order, those not mentioned staying behind their neighbours."""
    def identity(item):
        return item.get(key) if isinstance(item, dict) and key else item
    wanted = [identity(i) for i in order]
    ranked, position = [], -1
    for item in items:
        name = identity(item)
        if name in wanted:
            ranked.append((wanted.index(name), 0, item))
            position = wanted.index(name)
        else:
            ranked.append((position, 1, item))
    return [item for _, _, item in sorted(ranked, key=lambda r: r[:2])]
