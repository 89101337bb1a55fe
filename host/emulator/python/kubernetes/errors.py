"""Status objects of failed requests, with the texts of apimachinery's
``api/errors`` package."""

import json


class ApiError(Exception):
    """A failure that is answered with a ``Status`` object."""

    def __init__(self, code, reason, message, details=None):
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict:
        out = {"kind": "Status", "apiVersion": "v1", "metadata": {},
               "status": "Failure", "message": self.message}
        if self.reason:
            out["reason"] = self.reason
        if self.details is not None:
            out["details"] = self.details
        out["code"] = self.code
        return out


def _details(resource, name, **more):
    out = {}
    if name:
        out["name"] = name
    if resource.group:
        out["group"] = resource.group
    out["kind"] = resource.plural
    out.update(more)
    return out


def not_found(resource, name):
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found',
                    _details(resource, name))


def no_such_path():
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


class NoPage(Exception):
    """A path that no handler has: answered in plain text."""


def no_such_page():
    return NoPage()


def already_exists(resource, name):
    return ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists',
                    _details(resource, name))


MODIFIED = ("the object has been modified; please apply your changes to the "
            "latest version and try again")


def conflict(resource, name, why=MODIFIED):
    return ApiError(409, "Conflict",
                    f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}',
                    _details(resource, name))


def bad_request(message):
    return ApiError(400, "BadRequest", message)


def unauthorized():
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource, name, why, causes=None):
    more = {"causes": causes} if causes else {}
    return ApiError(403, "Forbidden", f'{resource.qualified} "{name}" is forbidden: {why}',
                    _details(resource, name, **more))


def method_not_allowed():
    return ApiError(405, "MethodNotAllowed",
                    "the server does not allow this method on the requested resource", {})


def unsupported_media_type(supported):
    return ApiError(415, "UnsupportedMediaType",
                    "the body of the request was in an unknown format - accepted media "
                    "types include: " + ", ".join(supported))


def unsupported_patch_type():
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def expired(message):
    return ApiError(410, "Expired", message)


def internal(message):
    return ApiError(500, "InternalError", f"Internal error occurred: {message}",
                    {"causes": [{"message": message}]})


def unknown(message):
    """An error the server did not classify: code 500 without a reason."""
    return ApiError(500, "", message)


def apply_conflict(message, causes):
    return ApiError(409, "Conflict", message, {"causes": causes})


def _shown(value) -> str:
    """A value as field errors print it."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class FieldErrors:
    """Collects ``field.Error`` items and raises one Invalid status."""

    def __init__(self):
        self.causes = []

    def _add(self, reason, field, message):
        self.causes.append({"reason": reason, "message": message, "field": field})

    def required(self, field, why=""):
        self._add("FieldValueRequired", field, "Required value" + (f": {why}" if why else ""))

    def invalid(self, field, value, why):
        self._add("FieldValueInvalid", field, f"Invalid value: {_shown(value)}: {why}")

    def immutable(self, field, value):
        self.invalid(field, value, "field is immutable")

    def unsupported(self, field, value, supported):
        listed = ", ".join(f'"{s}"' for s in supported)
        self._add("FieldValueNotSupported", field,
                  f"Unsupported value: {_shown(value)}: supported values: {listed}")

    def forbidden(self, field, why):
        self._add("FieldValueForbidden", field, f"Forbidden: {why}")

    def duplicate(self, field, value):
        self._add("FieldValueDuplicate", field, f"Duplicate value: {_shown(value)}")

    def missing(self, field, value):
        self._add("FieldValueNotFound", field, f"Not found: {_shown(value)}")

    def type_invalid(self, field, value, why):
        self._add("FieldValueTypeInvalid", field, f"Invalid value: {_shown(value)}: {why}")

    def raise_for(self, group, kind, name):
        if not self.causes:
            return
        # What is said twice stands in the message once.
        shown = list(dict.fromkeys(f"{c['field']}: {c['message']}" for c in self.causes))
        text = shown[0] if len(shown) == 1 else "[" + ", ".join(shown) + "]"
        qualified = f"{kind}.{group}" if group else kind
        details = {"name": name} if name else {}
        if group:
            details["group"] = group
        details["kind"] = kind
        details["causes"] = self.causes
        raise ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)
