"""What the loopback Kaggle says: JSON, redirects, slices of stored objects, and refusals.

Leaves: an `Answer`, which says nothing about how it travels; that is for the server to spoil.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from tests.servers.archives import Stored

_CHUNK = 1 << 16
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_PAGE = b"<!DOCTYPE html><html><body><h1>We will be back soon</h1></body></html>\n"


@dataclass(frozen=True)
class Slice:
    """Some bytes of a file."""

    path: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def chunks(self) -> Iterator[bytes]:
        """The bytes in pieces."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            left = len(self)
            while left > 0 and (chunk := file.read(min(_CHUNK, left))):
                left -= len(chunk)
                yield chunk


@dataclass(frozen=True)
class Answer:
    """A status, headers without those of the body's length, and a body."""

    status: int
    body: bytes | Slice = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    """The version of the dataset that it is about."""

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces."""
        if isinstance(self.body, Slice):
            return self.body.chunks()
        return (self.body[at : at + _CHUNK] for at in range(0, len(self.body), _CHUNK))


def said(content: object, version: int | None = None) -> Answer:
    """JSON; bytes are sent as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(200, body, {"Content-Type": "application/json; charset=utf-8"}, version)


def refused(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as the service writes it."""
    body = json.dumps({"code": status, "message": message}).encode()
    return Answer(status, body, {"Content-Type": "application/json", **(headers or {})})


def refused_by_storage(status: int, code: str) -> Answer:
    """An error as storage writes it."""
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml; charset=UTF-8"})


def substitute(fault: str, *, by_storage: bool) -> Answer | None:
    """What comes in place of the answer; None for a fault of another kind."""
    if fault == "html":
        return Answer(200, _PAGE, {"Content-Type": "text/html; charset=utf-8"})
    if fault == "stale":
        return refused_by_storage(403, "ExpiredToken")
    if fault == "429-seconds":
        return refused(429, "Too many requests", {"Retry-After": "1"})
    if fault == "429-date":
        later = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
        return refused(429, "Too many requests", {"Retry-After": later})
    if fault == "429-nested":
        error = {"code": 429, "message": "Quota exceeded", "status": "RESOURCE_EXHAUSTED"}
        return Answer(429, json.dumps({"error": error}).encode(), said({}).headers)
    if not fault.isdigit():
        return None
    if by_storage:
        return refused_by_storage(int(fault), "Refused")
    return refused(int(fault), f"Refused with {fault}")


def stored(file: Stored, asked: Mapping[str, str], modified: str) -> Answer:
    """An object, or the range of it that is asked for by headers (in lower case)."""
    headers = {
        "Content-Type": "application/octet-stream",
        "ETag": file.etag,
        "Last-Modified": modified,
        "Accept-Ranges": "bytes",
    }
    same = asked.get("if-range", file.etag) in (file.etag, modified)
    wanted = _asked_range(asked.get("range", ""), file.size) if same else None
    if wanted is None:
        return Answer(200, Slice(file.path, 0, file.size), headers)
    start, stop = wanted
    if start >= stop:
        return Answer(416, b"", {"Content-Range": f"bytes */{file.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return Answer(206, Slice(file.path, start, stop), headers)


def _asked_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and stop of a range, empty where it lies outside; None where none is asked for."""
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(size - int(match[2]), 0), size
    if match[2] and int(match[2]) < int(match[1]):
        return None
    return int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
