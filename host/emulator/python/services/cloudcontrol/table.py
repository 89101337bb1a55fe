"""The types of CloudFormation's registry, read from `types.bin`, the table that `host/aws-types` makes.

The file has every text once, then a block of bytes for each type; `host/aws-types/src/table` describes it.
Nothing is read before the first question, and a type's block when that type is first asked for.
"""

import struct
import zlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

VERSION = 2
# In the order of the file.
OPERATIONS = ("CREATE", "READ", "UPDATE", "DELETE", "LIST")
# llmhost writes the file beside the modules; in the source tree the table's own crate has it.
PLACES = (Path(__file__).parents[2] / "types.bin", Path(__file__).parents[4] / "aws-types" / "types.bin")


@dataclass
class Shape:
    """What a property takes. `kind` says which of the other fields count."""

    kind: str
    allowed: list = field(default_factory=list)
    any_case: bool = False
    pattern: str = None
    # Of a text its length, of a number its value, of a list its size.
    least: float = None
    most: float = None
    ordered: bool = True
    unique: bool = False
    # Of a list and a map.
    element: "Shape" = None
    # Of an object: the index of its definition.
    definition: int = None
    # Of `json`: `any`, `object` or `object or text`.
    form: str = None
    # Of `one of`.
    shapes: list = field(default_factory=list)


@dataclass
class Property:
    name: str
    shape: Shape
    required: bool
    # `no`, `maybe` or `yes`: whether another value makes another resource.
    replaces: str
    # Pairs of a type and its attribute whose values the property takes.
    references: list


@dataclass
class Definition:
    name: str
    properties: dict
    # Of each list one set of properties has to be stated as a whole.
    choices: list


@dataclass
class Type:
    name: str
    properties: dict
    definitions: list
    attributes: dict
    identifier: list
    reference: list
    arn: str
    # The property that holds tags, and their form: `list`, `list that propagates` or `map`.
    tags: tuple
    read_only: list
    write_only: list
    choices: list
    # The CloudFormation transform that it is a part of. Cloud Control knows no such type.
    transform: str
    # The IAM actions of each handler, by operation; empty where Cloud Control has no such type, `None` where they are not known.
    handlers: dict

    @property
    def short(self):
        """`Queue` of `AWS::SQS::Queue`."""
        return self.name.rsplit("::", 1)[1]

    def shape_of(self, name):
        """The shape of a property or an attribute."""
        return self.properties[name].shape if name in self.properties else self.attributes.get(name)


class Cursor:
    """Reads bytes in order."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def take(self, length):
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self):
        """A number in groups of seven bits, the low ones first."""
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def signed(self):
        number = self.number()
        return number >> 1 if number & 1 == 0 else -(number >> 1) - 1

    def list(self, read):
        return [read() for _ in range(self.number())]


class Table:
    def __init__(self, data):
        if data[:4] != b"LHAT" or data[4] != VERSION:
            raise ValueError(f"types.bin is no table of format {VERSION}")
        if zlib.crc32(memoryview(data)[9:]) != int.from_bytes(data[5:9], "little"):
            raise ValueError("types.bin is damaged: its checksum is wrong")
        cursor = Cursor(data, 9)
        end, self.ends = 0, []
        for _ in range(cursor.number()):
            end += cursor.number()
            self.ends.append(end)
        self.texts = cursor.take(end)
        cursor.number()
        cursor.list(cursor.number)
        index = cursor.list(lambda: (self.text(cursor), cursor.number()))
        self.data, self.blocks, self.read = data, {}, {}
        start = cursor.at
        for name, length in index:
            self.blocks[name] = start
            start += length

    def names(self):
        """The name of every type, sorted."""
        return list(self.blocks)

    def find(self, name):
        """The type of that name, or nothing."""
        if name not in self.read and name in self.blocks:
            self.read[name] = Block(self, self.blocks[name]).type(name)
        return self.read.get(name)

    def text(self, cursor):
        number = cursor.number()
        return self.texts[self.ends[number - 1] if number else 0:self.ends[number]].decode()


class Block:
    """Reads one type."""

    def __init__(self, table, at):
        self.cursor, self.text = Cursor(table.data, at), lambda: table.text(self.cursor)

    def texts(self):
        return self.cursor.list(self.text)

    def type(self, name):
        cursor, flags = self.cursor, self.cursor.byte()
        # Arguments are read in the order of the file.
        return Type(
            name=name,
            properties=self.properties(),
            definitions=cursor.list(lambda: Definition(self.text(), self.properties(), self.choices())),
            attributes=dict(cursor.list(lambda: (self.text(), self.shape()))),
            identifier=self.texts(),
            reference=self.texts(),
            arn=self.text() if flags & 1 else None,
            tags=(self.text(), ("list", "list that propagates", "map")[cursor.byte()]) if flags & 2 else None,
            read_only=self.texts(),
            write_only=self.texts(),
            choices=self.choices(),
            transform=self.text() if flags & 16 else None,
            handlers=self.handlers(sunset=flags & 32),
        )

    def handlers(self, sunset):
        cursor = self.cursor
        if sunset:
            self.text()
        # The regions.
        cursor.number()
        known = cursor.byte()
        if known < 2:
            return {} if known else None
        has = cursor.byte()
        return {one: self.texts() for place, one in enumerate(OPERATIONS) if has >> place & 1}

    def choices(self):
        return self.cursor.list(lambda: self.cursor.list(self.texts))

    def properties(self):
        return {one.name: one for one in self.cursor.list(self.property)}

    def property(self):
        name, flags = self.text(), self.cursor.byte()
        return Property(
            name=name,
            shape=self.shape(),
            required=bool(flags & 1),
            replaces="yes" if flags & 4 else "maybe" if flags & 8 else "no",
            references=self.cursor.list(lambda: (self.text(), self.text())) if flags & 16 else [],
        )

    def shape(self):
        cursor = self.cursor
        kind = ("text", "integer", "number", "boolean", "json", "list", "map", "object", "one of")[cursor.byte()]
        shape = Shape(kind)
        if kind == "text":
            flags = cursor.byte()
            shape.allowed, shape.any_case = self.texts() if flags & 1 else [], bool(flags & 2)
            shape.pattern = self.text() if flags & 4 else None
            shape.least = cursor.number() if flags & 8 else None
            shape.most = cursor.number() if flags & 16 else None
            if flags & 32:
                # The format is a hint that is not checked.
                self.text()
        elif kind in ("integer", "number"):
            flags = cursor.byte()
            shape.allowed = cursor.list(cursor.signed) if flags & 1 else []
            shape.least, shape.most = self.limit(flags & 2, flags & 4), self.limit(flags & 8, flags & 16)
        elif kind == "json":
            shape.form = ("any", "object", "object or text")[cursor.byte()]
        elif kind == "list":
            flags = cursor.byte()
            shape.ordered, shape.unique = bool(flags & 1), bool(flags & 2)
            shape.least = cursor.number() if flags & 4 else None
            shape.most = cursor.number() if flags & 8 else None
            shape.element = self.shape()
        elif kind == "map":
            shape.element = self.shape()
        elif kind == "object":
            shape.definition = cursor.number()
        elif kind == "one of":
            shape.shapes = cursor.list(self.shape)
        return shape

    def limit(self, given, whole):
        if not given:
            return None
        return self.cursor.signed() if whole else struct.unpack("<d", self.cursor.take(8))[0]


@cache
def table():
    """The table, opened when it is first asked for."""
    return Table(next(place for place in PLACES if place.is_file()).read_bytes())


def find(name):
    return table().find(name)
