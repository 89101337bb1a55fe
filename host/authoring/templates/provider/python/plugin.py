"""Notes, kept by a service that speaks JSON over HTTP."""

from dataclasses import dataclass
from typing import Any

from llmhost_plugin.provider import Created, Kind, Observed, http, kind, option, output, provider


@dataclass
class Config:
    """What stands in the provider's `with` table."""

    url: str = option("Address of the service.")
    key: str | None = option("Its key.", default=None)


@dataclass
class Note:
    """The spec of a note."""

    title: str = option("Its title. No other note has it.", minLength=1)
    text: str = option("What it says.", default="")


@kind(
    "note",
    summary="A note.",
    immutable=["title"],
    unique=["title"],
    outputs=[output("revision", "How often it was written.")],
)
class Notes(Kind[Config, Note]):
    def create(self, config: Config, spec: Note, token: str) -> Created:
        note = call(config, "POST", "/notes", {"title": spec.title, "text": spec.text, "token": token})
        return Created(note["id"], {"revision": note["revision"]})

    def find(self, config: Config, spec: Note, token: str) -> Created | None:
        # Only what this token made: a note of somebody else may have the same title.
        notes = call(config, "GET", f"/notes?token={token}")
        return Created(notes[0]["id"], {"revision": notes[0]["revision"]}) if notes else None

    def read(self, config: Config, id: str, known: Note) -> Observed[Note]:
        # Where there is none, the error of the class NOT_FOUND says that it is gone. The same goes for delete.
        note = call(config, "GET", f"/notes/{id}")
        return Observed(Note(note["title"], note["text"]), {"revision": note["revision"]})

    def update(self, config: Config, id: str, old: Note, new: Note) -> dict[str, Any]:
        note = call(config, "PUT", f"/notes/{id}", {"title": new.title, "text": new.text})
        return {"revision": note["revision"]}

    def delete(self, config: Config, id: str, spec: Note) -> None:
        call(config, "DELETE", f"/notes/{id}")


def call(config: Config, method: str, path: str, body: Any = None) -> Any:
    # The key is the handle of a secret; the host puts the value in its place when it sends the request.
    return http.json(method, config.url + path, body, bearer=config.key)


provider(summary="Notes.", config=Config, kinds=[Notes])
