"""Resource quantities: parsing and the canonical form of apimachinery's
``resource.Quantity`` ("1000m" -> "1", "0.5" -> "500m", "1024Mi" -> "1Gi")."""

import re
from decimal import ROUND_UP, Decimal
from functools import lru_cache

_PATTERN = re.compile(r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)$")
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL_SUFFIX = {v: k for k, v in _DECIMAL.items()}
_BINARY_SUFFIX = {v: k for k, v in _BINARY.items()}

MESSAGE = ("quantities must match the regular expression "
           "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")


@lru_cache(maxsize=4096)
def _split(text: str):
    match = _PATTERN.match(text)
    if not match:
        raise ValueError(MESSAGE)
    number, suffix = Decimal(match.group(1)), match.group(2)
    if suffix in _BINARY:
        return number * (1024 ** _BINARY[suffix]), "binary"
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix]), "decimal"
    return number.scaleb(int(suffix[1:])), "exponent"


def parse(value) -> Decimal:
    """The value as a Decimal in base units; ValueError when malformed."""
    if isinstance(value, bool) or value is None:
        raise ValueError(MESSAGE)
    return _split(str(value).strip())[0]


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    number, form = _split(text)
    # The API keeps nothing finer than nano units and rounds away from zero.
    number = number.quantize(Decimal("1e-9"), rounding=ROUND_UP)
    if number == 0:
        return "0"
    if form == "binary":
        if abs(number) < 1024:
            form = "decimal"
        else:
            whole = int(number.to_integral_value(rounding=ROUND_UP))
            power = 0
            while power < 6 and whole % 1024 == 0:
                whole //= 1024
                power += 1
            return f"{whole}{_BINARY_SUFFIX.get(power, '')}"
    nano = int(number.scaleb(9))
    power = -9
    while nano % 1000 == 0 and power < 18:
        nano //= 1000
        power += 3
    if form == "exponent":
        return str(nano) if power == 0 else f"{nano}e{power}"
    return f"{nano}{_DECIMAL_SUFFIX[power]}"


def canonical(value) -> str:
    """The canonical string of a quantity given as a string or a number."""
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list)):
        raise ValueError(MESSAGE)
    return _canonical(str(value).strip())


def bytes_text(count: int) -> str:
    """A byte count as nodes report memory (in Ki)."""
    return f"{count // 1024}Ki"
