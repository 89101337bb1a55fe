"""Storage of one API server: objects, the global resource version, the event log.

Stored objects are never changed in place, so readers may keep and share them."""

import threading
from collections import deque


class Event:
    __slots__ = ("version", "type", "key", "obj", "old")

    def __init__(self, version, type_, key, obj, old):
        self.version, self.type, self.key, self.obj, self.old = version, type_, key, obj, old


class Store:
    HISTORY = 20000

    def __init__(self):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 0
        self.tables = {}
        self.log = deque(maxlen=self.HISTORY)

    def get(self, key, namespace, name):
        return self.tables.get(key, {}).get((namespace, name))

    def put(self, key, obj):
        """Stores `obj` under a new resource version and returns it."""
        meta = obj["metadata"]
        table = self.tables.setdefault(key, {})
        place = (meta.get("namespace", ""), meta["name"])
        old = table.get(place)
        self.version += 1
        meta["resourceVersion"] = str(self.version)
        table[place] = obj
        self._tell(Event(self.version, "MODIFIED" if old else "ADDED", key, obj, old))
        return obj

    def delete(self, key, obj):
        meta = obj["metadata"]
        table = self.tables.get(key, {})
        old = table.pop((meta.get("namespace", ""), meta["name"]), None)
        if old is None:
            return
        self.version += 1
        last = dict(old, metadata=dict(old["metadata"], resourceVersion=str(self.version)))
        self._tell(Event(self.version, "DELETED", key, last, old))

    def _tell(self, event):
        self.log.append(event)
        self.changed.notify_all()

    def items(self, key, namespace=None):
        """The objects of one resource, in the order of namespace and name."""
        table = self.tables.get(key)
        if not table:
            return []
        if namespace is None:
            return [table[k] for k in sorted(table)]
        return [table[k] for k in sorted(table) if k[0] == namespace]

    def values(self, key):
        return list(self.tables.get(key, {}).values())

    def everything(self):
        for key, table in self.tables.items():
            for obj in list(table.values()):
                yield key, obj

    def since(self, version):
        """The events after `version`; None when they are no longer known."""
        if self.log and version < self.log[0].version - 1 and len(self.log) == self.HISTORY:
            return None
        out = []
        for event in reversed(self.log):
            if event.version <= version:
                break
            out.append(event)
        out.reverse()
        return out
