"""Reading of protobuf bodies for the few kinds that ``kubectl create`` sends so.

Answers are always JSON, which such clients accept as well."""

import base64

MAGIC = b"k8s\x00"
_META = {1: ("name", "string"), 2: ("generateName", "string"), 3: ("namespace", "string"),
         5: ("uid", "string"), 6: ("resourceVersion", "string"), 11: ("labels", "map"),
         12: ("annotations", "map"), 14: ("finalizers", ["string"])}
_REFERENCE = {1: ("kind", "string"), 2: ("namespace", "string"), 3: ("name", "string"),
              4: ("uid", "string"), 5: ("apiVersion", "string")}
_KINDS = {
    ("v1", "Namespace"): {1: ("metadata", _META)},
    ("v1", "ConfigMap"): {1: ("metadata", _META), 2: ("data", "map"),
                          3: ("binaryData", "bytesmap"), 4: ("immutable", "bool")},
    ("v1", "Secret"): {1: ("metadata", _META), 2: ("data", "bytesmap"), 3: ("type", "string"),
                       4: ("stringData", "map"), 5: ("immutable", "bool")},
    ("v1", "ServiceAccount"): {1: ("metadata", _META), 2: ("secrets", [_REFERENCE]),
                               3: ("imagePullSecrets", [{1: ("name", "string")}]),
                               4: ("automountServiceAccountToken", "bool")},
}


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fields(data):
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag & 7 == 0:
            value, at = _varint(data, at)
        elif tag & 7 == 2:
            length, at = _varint(data, at)
            value, at = data[at:at + length], at + length
        elif tag & 7 in (1, 5):
            length = 8 if tag & 7 == 1 else 4
            value, at = data[at:at + length], at + length
        else:
            raise ValueError("unknown wire type")
        yield tag >> 3, value


def _value(raw, kind):
    if isinstance(kind, dict):
        return _message(raw, kind)
    return bool(raw) if kind == "bool" else raw.decode()


def _message(data, shape):
    out = {}
    for number, raw in _fields(data):
        if number not in shape:
            continue
        name, kind = shape[number]
        if kind in ("map", "bytesmap"):
            pair = dict(_fields(raw))
            value = pair.get(2, b"")
            out.setdefault(name, {})[pair.get(1, b"").decode()] = (
                value.decode() if kind == "map" else base64.b64encode(value).decode())
        elif isinstance(kind, list):
            out.setdefault(name, []).append(_value(raw, kind[0]))
        else:
            value = _value(raw, kind)
            if value != "":
                out[name] = value
    return out


def decode(data):
    """The object in JSON form, or None for a kind that is not known here."""
    if not data.startswith(MAGIC):
        raise ValueError("the body is no protobuf object")
    envelope = dict(_fields(data[len(MAGIC):]))
    kind = {n: v.decode() for n, v in _fields(envelope.get(1, b""))}
    shape = _KINDS.get((kind.get(1), kind.get(2)))
    if shape is None:
        return None
    return {"apiVersion": kind[1], "kind": kind[2], **_message(envelope.get(2, b""), shape)}
