"""Moves the bytes of one file from a storage address to disk, in pieces that can be resumed.

Runs inside a worker, because a server that drips its headers is stopped by nothing else than the
end of the process. Enters an address and a path; bytes lie in `<path>.part` beside a note on which
object they belong to, and become `<path>` when they are all there. An object that changed in
between begins anew. A signed address is a credential: it is never written down, logged or shown.

Not guaranteed: that the bytes are what the publisher uploaded, unless the storage names an MD5;
that an archive is whole is seen when it is unpacked.
"""

import base64
import hashlib
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extract.files.atomic import write_placed
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.service import ServiceFault

if TYPE_CHECKING:
    from requests import Response

_CHUNK = 1 << 16
_REDIRECTS = 3
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_LENGTH = re.compile(r"[0-9]{1,18}")
_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')
_DATE = re.compile(r"[A-Za-z0-9,:+ -]{10,40}")
_HEAD_BYTES = 512
_TOO_LARGE = "expected at most {} bytes, found {}; the limit is source.kaggle.max_bytes"
_MD5_BYTES = 16


class TooLargeError(Exception):
    """An archive beyond the limit; the message names both numbers."""


def transfer(address: str, path: Path, limits: KaggleLimits) -> int:
    """Bring the rest of a ZIP archive to `path`; gives the bytes that this call moved.

    Raises `ServiceFault` (`transient`; what has come stays for the next call) and `TooLargeError`.
    """
    import requests

    # An answer with odd headers would be logged with its address.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    part = _Part(path)
    deadline = time.monotonic() + limits.address_s
    with requests.Session() as session, _as_faults():
        session.max_redirects = _REDIRECTS
        answer = session.get(
            address,
            headers=part.headers(),
            stream=True,
            timeout=(limits.connect_timeout_s, limits.read_timeout_s),
        )
        with answer:
            moved = part.take(answer, limits.max_bytes, deadline)
    part.finish()
    return moved


def received(path: Path) -> int:
    """Bytes of a file that are on disk, finished or not."""
    for place in (path, _part_of(path)):
        if place.is_file():
            return place.stat().st_size
    return 0


def discard(path: Path) -> None:
    """Forget what was brought to `path`."""
    for place in (path, _part_of(path), _note_of(path)):
        place.unlink(missing_ok=True)


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _note_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.note")


@contextmanager
def _as_faults() -> Iterator[None]:
    """Network errors as faults; their texts hold the address, so only their kinds are said.

    A redirect to what is no address ends in a bare `ValueError`.
    """
    import requests
    import urllib3

    broken = (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError, ValueError)
    try:
        yield
    except broken as error:
        raise ServiceFault("transient", f"storage: {type(error).__name__}") from None


class _Part:
    """The bytes that have come so far, and the note on which object they are of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part, self._note = _part_of(path), _note_of(path)
        self._validator, self._total, self._md5 = self._known()
        self._have = self._part.stat().st_size if self._part.is_file() and self._validator else 0

    def _known(self) -> tuple[str, int | None, str]:
        """Validator, size and MD5 of the object, as far as they are known."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return str(note["validator"]), note["total"], str(note["md5"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", None, ""

    def headers(self) -> dict[str, str]:
        """What asks for the rest, and only of the same object."""
        # Compressed on the way, bytes could not be counted from where they broke off.
        headers = {"Accept-Encoding": "identity"}
        if self._have:
            headers |= {"Range": f"bytes={self._have}-", "If-Range": self._validator}
        return headers

    def take(self, answer: "Response", max_bytes: int, deadline: float) -> int:
        """Write what the answer brings; gives the number of bytes."""
        if answer.status_code == 416:
            return self._unsatisfied(answer)
        if answer.status_code not in (200, 206):
            raise _refused(answer)
        if "text/html" in answer.headers.get("Content-Type", "").lower():
            raise ServiceFault("transient", "storage: expected a ZIP archive, found a page")
        if answer.status_code == 206:
            self._check_range(answer)
        else:
            self._begin(answer)
        if (self._total or 0) > max_bytes:
            raise TooLargeError(_TOO_LARGE.format(max_bytes, self._total))
        return self._write(answer, max_bytes, deadline)

    def _begin(self, answer: "Response") -> None:
        """A whole object comes: forget the old one, note the new one, then write."""
        # In this order: bytes of the new object must never stand beside the note on the old one.
        discard(self._path)
        length = answer.headers.get("Content-Length", "")
        self._validator = _validator_of(answer.headers)
        self._total = int(length) if _LENGTH.fullmatch(length) else None
        self._md5 = _md5_of(answer.headers.get("x-goog-hash", ""))
        self._have = 0
        note = {"validator": self._validator, "total": self._total, "md5": self._md5}
        write_placed(self._note, json.dumps(note))

    def _check_range(self, answer: "Response") -> None:
        given = answer.headers.get("Content-Range", "nothing")[:60]
        span = _RANGE.fullmatch(given)
        totals = {"*", str(self._total)} if self._total is not None else None
        if (
            span is None
            or not self._have
            or int(span[1]) != self._have
            or (totals is not None and span[3] not in totals)
        ):
            discard(self._path)
            detail = f"storage: expected bytes from {self._have} of {self._total}, found {given}"
            raise ServiceFault("transient", detail)
        if span[3] != "*":
            self._total = int(span[3])

    def _unsatisfied(self, answer: "Response") -> int:
        """Nothing is left to send: either all is here, or what is here is of something else."""
        total = answer.headers.get("Content-Range", "").removeprefix("bytes */")
        if not (self._have and total == str(self._have)):
            discard(self._path)
            raise ServiceFault("transient", "storage: the range is not there; begun anew")
        self._total = self._have
        return 0

    def _write(self, answer: "Response", max_bytes: int, deadline: float) -> int:
        """What the answer brings, chunk by chunk: a killed process loses nothing it has read."""
        before = self._have
        raw: Any = answer.raw
        with self._part.open("ab") as file:
            while chunk := raw.read1(_CHUNK, decode_content=False):
                file.write(chunk)
                file.flush()
                self._have += len(chunk)
                if self._have > max_bytes:
                    raise TooLargeError(_TOO_LARGE.format(max_bytes, "more"))
                if time.monotonic() > deadline:
                    raise ServiceFault("transient", f"storage: slow, {self._have} bytes so far")
        return self._have - before

    def finish(self) -> None:
        """Make the file whole. Raises a fault when bytes are missing, or are others than announced.

        A text in place of an archive is what an outage looks like. Any other bytes are what the
        storage holds; they may turn out to be no archive.
        """
        if self._total is not None and self._have < self._total:
            detail = f"storage: cut, {self._have} of {self._total} bytes came"
            raise ServiceFault("transient", detail)
        if self._total is not None and self._have > self._total:
            discard(self._path)
            raise ServiceFault("transient", f"storage: expected {self._total} bytes, found more")
        with self._part.open("rb") as file:
            is_text = _is_text(file.read(_HEAD_BYTES))
            file.seek(0)
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        if is_text or (self._md5 and md5.hexdigest() != self._md5):
            what = "a text" if is_text else "a file with another MD5 than the storage names"
            discard(self._path)
            raise ServiceFault("transient", f"storage: expected a ZIP archive, found {what}")
        self._part.replace(self._path)
        self._note.unlink(missing_ok=True)


def _is_text(head: bytes) -> bool:
    """Whether a file begins as a page or a message would, and no archive: without control bytes."""
    return all(byte >= 0x20 or byte in b"\t\n\r" for byte in head)


def _validator_of(headers: Any) -> str:
    """A strong ETag, else the date of the last change; empty for what cannot be sent back."""
    etag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
    if _ETAG.fullmatch(etag):
        return str(etag)
    return str(date) if _DATE.fullmatch(date) else ""


def _md5_of(header: str) -> str:
    """Hexadecimal MD5 of `crc32c=…, md5=<base64>`, empty where none is given."""
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "md5":
            with suppress(ValueError):
                digest = base64.b64decode(value, validate=True)
                return digest.hex() if len(digest) == _MD5_BYTES else ""
    return ""


def _refused(answer: "Response") -> ServiceFault:
    """An address that expired answers 400 or 403; a new one is asked for with the next try."""
    return ServiceFault(
        "transient", f"storage: HTTP {answer.status_code}", retry_after_s(answer.headers)
    )


def retry_after_s(headers: Any) -> float | None:
    """Seconds of a `Retry-After` header, which holds seconds or a date; None without."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    text = str(headers.get("Retry-After", "")).strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        instant = parsedate_to_datetime(text)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        return max(0.0, (instant - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
