"""The transfer against a storage that says whatever a test wants, byte for byte."""

import base64
import contextlib
import gc
import gzip
import hashlib
import json
import logging
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Self

import pytest

from extract.kaggle.limits import KaggleLimits
from extract.kaggle.service import ServiceFault
from extract.kaggle.transfer import (
    TooLargeError,
    discard,
    received,
    retry_after_s,
    transfer,
)

ROOT = Path(__file__).parents[3]
SECRET = "5ECRET0f4n4ddre55"
DATA = b"PK\x03\x04" + random.Random(7).randbytes(300_000)
HALF = len(DATA) // 2
QUICK = KaggleLimits(connect_timeout_s=2, read_timeout_s=2, address_s=5, max_bytes=1 << 20)
_RESET = struct.pack("ii", 1, 0)

Asked = Mapping[str, str]
"""Headers of a request, names in lower case."""
Answer = Callable[[Asked], Iterator[bytes]]


class ResetConnection(Exception):
    """Raised by an answer that ends the connection without politeness."""


class Storage:
    """Answers each connection once, over bare sockets, and keeps what was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.address = f"{self.host}/bucket/archive.zip?X-Goog-Signature={SECRET}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        # Closing alone does not wake a thread that accepts.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1 << 16)
            fields = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
            asked = {name.lower(): value for name, _, value in fields if name}
            self.asked.append(asked)
            try:
                for piece in self.answer(asked):
                    connection.sendall(piece)
            except ResetConnection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def head(status: int, *headers: str) -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status} Said", *headers, "", "")).encode("latin-1")


def once(status: int, *headers: str, body: bytes = b"") -> Answer:
    return lambda asked: iter((head(status, *headers), body))


def stored(
    data: bytes = DATA,
    etag: str = '"one"',
    *more: str,
    cuts: list[int] | None = None,
    piece: int = 1 << 16,
    pause_s: float = 0,
) -> Answer:
    """An object as a store serves it; `cuts` are the bytes after which answers break off."""

    def answer(asked: Asked) -> Iterator[bytes]:
        start = 0
        if asked.get("if-range", etag) == etag and "range" in asked:
            start = int(asked["range"].removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(data):
            yield head(416, f"Content-Range: bytes */{len(data)}", "Content-Length: 0")
            return
        headers = [f"ETag: {etag}", f"Content-Length: {len(data) - start}", *more]
        if start:
            headers.append(f"Content-Range: bytes {start}-{len(data) - 1}/{len(data)}")
        yield head(206 if start else 200, *headers)
        body = data[start : start + cuts.pop(0)] if cuts else data[start:]
        for at in range(0, len(body), piece):
            yield body[at : at + piece]
            time.sleep(pause_s)

    return answer


def fault(storage: Storage, path: Path, config: KaggleLimits = QUICK) -> str:
    """What a transfer that must fail says; it never says the address."""
    with pytest.raises(ServiceFault) as caught:
        transfer(storage.address, path, config)
    assert caught.value.kind == "transient"
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in f"{caught.value!r} {caught.value.__dict__} {shown}"
    return str(caught.value)


def left(path: Path) -> list[str]:
    return sorted(place.name for place in path.parent.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.zip"


# --- what goes well -----------------------------------------------------------------------------


def test_an_archive_comes_whole_and_leaves_nothing_beside_it(path: Path) -> None:
    with Storage(stored()) as storage:
        assert transfer(storage.address, path, QUICK) == len(DATA)
    assert path.read_bytes() == DATA
    assert left(path) == ["archive.zip"]
    assert storage.asked[0]["accept-encoding"] == "identity"
    assert "range" not in storage.asked[0]


def test_a_cut_transfer_goes_on_where_it_was(path: Path) -> None:
    with Storage(stored(cuts=[100_000, 50_000])) as storage:
        fault(storage, path)
        assert received(path) == 100_000
        fault(storage, path)
        assert received(path) == 150_000
        assert transfer(storage.address, path, QUICK) == len(DATA) - 150_000
    assert path.read_bytes() == DATA
    ranges = [(asked.get("range"), asked.get("if-range")) for asked in storage.asked]
    expected = [(None, None), ("bytes=100000-", '"one"'), ("bytes=150000-", '"one"')]
    assert ranges == expected


def test_an_object_that_changed_begins_anew(path: Path) -> None:
    other = b"PK\x03\x04" + random.Random(8).randbytes(200_000)
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        storage.answer = stored(other, '"two"')
        assert transfer(storage.address, path, QUICK) == len(other)
    assert storage.asked[1]["if-range"] == '"one"'
    assert path.read_bytes() == other


def test_a_date_stands_in_for_a_missing_or_weak_etag(path: Path) -> None:
    date = "Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT"
    length = f"Content-Length: {len(DATA)}"
    with Storage(once(200, 'ETag: W/"one"', date, length, body=DATA[:HALF])) as storage:
        fault(storage, path)
        storage.answer = stored(DATA, date.partition(" ")[2])
        assert transfer(storage.address, path, QUICK) == len(DATA) - HALF
    assert storage.asked[1]["if-range"] == "Wed, 01 Jan 2025 00:00:00 GMT"
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("etag", ["", 'W/"one"', "one", '"o\r\n ne"', '"\xe9"', f'"{"e" * 300}"'])
def test_without_a_validator_that_can_be_sent_back_all_is_asked_for(path: Path, etag: str) -> None:
    headers = (f"ETag: {etag}", f"Content-Length: {len(DATA)}")
    with Storage(once(200, *headers, body=DATA[:HALF])) as storage:
        fault(storage, path)
        storage.answer = stored()
        assert transfer(storage.address, path, QUICK) == len(DATA)
    assert "range" not in storage.asked[1]
    assert path.read_bytes() == DATA


def test_all_bytes_but_no_name_yet_needs_no_more_bytes(path: Path) -> None:
    """The process was killed between the last byte and the last step."""
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        path.with_name("archive.zip.part").write_bytes(DATA)
        assert transfer(storage.address, path, QUICK) == 0
    assert storage.asked[1]["range"] == f"bytes={len(DATA)}-"
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("chunk", [1, 7_000, 400_000])
def test_chunks_without_a_length_are_an_archive_too(path: Path, chunk: int) -> None:
    data = DATA[:5_000] if chunk == 1 else DATA
    pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    with Storage(once(200, "Transfer-Encoding: chunked", body=body + b"0\r\n\r\n")) as storage:
        assert transfer(storage.address, path, QUICK) == len(data)
    assert path.read_bytes() == data


def test_a_body_that_ends_with_its_connection_is_an_archive_too(path: Path) -> None:
    with Storage(once(200, "Connection: close", body=DATA)) as storage:
        assert transfer(storage.address, path, QUICK) == len(DATA)
    assert path.read_bytes() == DATA


def test_an_encoding_that_nobody_asked_for_is_not_undone(path: Path) -> None:
    """A bomb stays as small as it came."""
    packed = gzip.compress(b"\0" * (50 << 20))
    length = f"Content-Length: {len(packed)}"
    with Storage(once(200, "Content-Encoding: gzip", length, body=packed)) as storage:
        assert transfer(storage.address, path, QUICK) == len(packed)
    assert path.read_bytes() == packed


def test_a_redirect_is_followed(path: Path) -> None:
    with Storage(stored()) as storage, Storage(once(302, f"Location: {storage.address}")) as first:
        assert transfer(first.address, path, QUICK) == len(DATA)
    assert path.read_bytes() == DATA


def test_discarding_leaves_nothing(path: Path) -> None:
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
    assert left(path) == ["archive.zip.note", "archive.zip.part"]
    discard(path)
    assert left(path) == []
    assert received(path) == 0


# --- what goes wrong ----------------------------------------------------------------------------


def test_the_address_is_nowhere_on_disk(path: Path) -> None:
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
    for place in path.parent.iterdir():
        assert SECRET.encode() not in place.read_bytes()


def test_what_comes_before_a_reset_stays(path: Path) -> None:
    def reset(asked: Asked) -> Iterator[bytes]:
        yield head(200, 'ETag: "one"', f"Content-Length: {len(DATA)}") + DATA[:HALF]
        time.sleep(0.2)
        raise ResetConnection

    with Storage(reset) as storage:
        assert fault(storage, path).startswith("storage: ")
        assert received(path) == HALF
        storage.answer = stored()
        assert transfer(storage.address, path, QUICK) == len(DATA) - HALF
    assert path.read_bytes() == DATA


def test_a_body_that_drips_ends_with_the_attempt_and_goes_on(path: Path) -> None:
    config = QUICK.model_copy(update={"address_s": 0.5})
    with Storage(stored(piece=10, pause_s=0.02)) as storage:
        begun = time.monotonic()
        assert fault(storage, path, config).startswith("storage: slow, ")
        assert time.monotonic() - begun < 60, "all of it would take minutes"
        have = received(path)
        assert 0 < have < len(DATA)
        storage.answer = stored()
        assert transfer(storage.address, path, QUICK) == len(DATA) - have
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("said", [b"", head(200, "Content-Length: 100000") + DATA[:50]])
def test_silence_ends_with_the_read_timeout(path: Path, said: bytes) -> None:
    given_up = threading.Event()

    def silent(asked: Asked) -> Iterator[bytes]:
        yield said
        given_up.wait(300)

    config = QUICK.model_copy(update={"read_timeout_s": 0.3})
    with Storage(silent) as storage:
        begun = time.monotonic()
        assert "Timeout" in fault(storage, path, config)
        assert time.monotonic() - begun < 100
        given_up.set()


def test_a_length_that_promises_too_much_is_a_cut(path: Path) -> None:
    length = f"Content-Length: {len(DATA) + 1}"
    with Storage(once(200, 'ETag: "one"', length, body=DATA)) as storage:
        fault(storage, path)
    assert not path.exists()
    assert received(path) == len(DATA)


def test_a_length_that_promises_too_little_ends_the_body(path: Path) -> None:
    """What a truncated object is: unpacking finds out."""
    with Storage(once(200, f"Content-Length: {HALF}", body=DATA)) as storage:
        assert transfer(storage.address, path, QUICK) == HALF
    assert path.read_bytes() == DATA[:HALF]


@pytest.mark.parametrize("length", ["many", "-5", "9" * 5_000, "1e3", "٣", ""])
def test_a_length_that_is_no_number_counts_as_not_told(path: Path, length: str) -> None:
    line = f"Content-Length: {length}".encode().decode("latin-1")
    with Storage(once(200, line, "Connection: close", body=DATA)) as storage:
        assert transfer(storage.address, path, QUICK) == len(DATA)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Content-Range: bytes 0-9/300004",
        f"Content-Range: bytes {HALF}-300003/300005",
        f"Content-Range: bytes {HALF + 1}-300003/300004",
        f"Content-Range: bytes {'9' * 5_000}-300003/300004",
        "Content-Range: bytes */300004",
        "Content-Range: nonsense",
    ],
)
def test_a_range_that_was_not_asked_for_begins_anew(path: Path, header: str) -> None:
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        headers = [line for line in (header, f"Content-Length: {len(DATA) - HALF}") if line]
        storage.answer = once(206, *headers, body=DATA[HALF:])
        assert "expected bytes from" in fault(storage, path)
        assert received(path) == 0
        storage.answer = stored()
        assert transfer(storage.address, path, QUICK) == len(DATA)
    assert path.read_bytes() == DATA


def test_a_range_that_nobody_asked_for_is_refused(path: Path) -> None:
    """Bytes that an earlier process left without a note are of who knows what."""
    path.with_name("archive.zip.part").write_bytes(b"old bytes")
    length = f"Content-Length: {len(DATA)}"
    header = f"Content-Range: bytes 0-{len(DATA) - 1}/{len(DATA)}"
    with Storage(once(206, header, length, body=DATA)) as storage:
        assert "expected bytes from" in fault(storage, path)
        storage.answer = stored()
        transfer(storage.address, path, QUICK)
    assert path.read_bytes() == DATA


def test_more_bytes_than_the_range_has_are_not_taken(path: Path) -> None:
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        header = f"Content-Range: bytes {HALF}-{len(DATA) - 1}/{len(DATA)}"
        storage.answer = once(206, header, "Connection: close", body=DATA[HALF:] + b"more")
        assert "found more" in fault(storage, path)
    assert left(path) == []


@pytest.mark.parametrize("header", ["", "Content-Range: bytes */7", "Content-Range: nonsense"])
def test_a_range_that_is_not_there_begins_anew(path: Path, header: str) -> None:
    headers = [line for line in (header, "Content-Length: 0") if line]
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        storage.answer = once(416, *headers)
        assert "begun anew" in fault(storage, path)
        assert received(path) == 0
        fault(storage, path)


@pytest.mark.parametrize("status", [301, 304, 400, 403, 404, 410, 429, 500, 503, 599])
def test_a_refusal_keeps_what_has_come(path: Path, status: int) -> None:
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        storage.answer = once(status, "Content-Length: 3", body=b"no.")
        assert fault(storage, path) == f"storage: HTTP {status}"
    assert received(path) == HALF


def test_the_pause_that_storage_asks_for_is_told(path: Path) -> None:
    asking = once(503, "Retry-After: 17", "Content-Length: 0")
    with Storage(asking) as storage, pytest.raises(ServiceFault) as caught:
        transfer(storage.address, path, QUICK)
    assert caught.value.retry_after_s == 17


@pytest.mark.parametrize("type_told", ["Content-Type: Text/HTML; charset=utf-8", "X-Nothing: 1"])
def test_a_page_is_no_archive(path: Path, type_told: str) -> None:
    page = "<!DOCTYPE html>\n<h1>We will be back soon · bientôt</h1>".encode("ascii", "replace")
    with Storage(once(200, type_told, f"Content-Length: {len(page)}", body=page)) as storage:
        assert "expected a ZIP archive" in fault(storage, path)
    assert left(path) == []


def test_a_page_with_its_type_does_not_cost_what_has_come(path: Path) -> None:
    with Storage(stored(cuts=[HALF])) as storage:
        fault(storage, path)
        storage.answer = once(200, "Content-Type: text/html", "Content-Length: 4", body=b"soon")
        fault(storage, path)
    assert received(path) == HALF


def test_nothing_is_no_archive(path: Path) -> None:
    with Storage(once(200, "Content-Length: 0")) as storage:
        assert "expected a ZIP archive" in fault(storage, path)
    assert left(path) == []


def hashed(data: bytes) -> str:
    md5 = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    return f"x-goog-hash: crc32c=AAAAAA==, md5={md5}"


def test_the_md5_that_storage_tells_is_compared(path: Path) -> None:
    with Storage(stored(DATA, '"one"', hashed(b"other"))) as storage:
        assert "another MD5" in fault(storage, path)
        assert left(path) == []
        storage.answer = stored(DATA, '"one"', hashed(DATA))
        transfer(storage.address, path, QUICK)
    assert path.read_bytes() == DATA


def test_the_md5_holds_for_a_transfer_in_two_pieces(path: Path) -> None:
    with Storage(stored(DATA, '"one"', hashed(DATA), cuts=[HALF])) as storage:
        fault(storage, path)
        flipped = DATA[:-1] + bytes([DATA[-1] ^ 1])
        storage.answer = stored(flipped, '"one"')
        assert "another MD5" in fault(storage, path)
    assert left(path) == []


@pytest.mark.parametrize(
    "header", ["md5=", "md5=AAAA", "md5=*", "md5=\xe9", "crc32c=AAAAAA==", ","]
)
def test_what_is_no_md5_is_not_compared(path: Path, header: str) -> None:
    with Storage(stored(DATA, '"one"', f"x-goog-hash: {header}")) as storage:
        transfer(storage.address, path, QUICK)
    assert path.read_bytes() == DATA


def test_a_size_beyond_the_limit_is_refused_before_it_comes(path: Path) -> None:
    config = QUICK.model_copy(update={"max_bytes": 1_000})
    with Storage(stored()) as storage, pytest.raises(TooLargeError) as caught:
        transfer(storage.address, path, config)
    assert str(caught.value).startswith(f"expected at most 1000 bytes, found {len(DATA)}")
    assert "source.kaggle.max_bytes" in str(caught.value)
    assert received(path) == 0


def test_a_size_that_is_not_told_ends_at_the_limit(path: Path) -> None:
    def endless(asked: Asked) -> Iterator[bytes]:
        yield head(200, "Connection: close")
        while True:
            yield DATA

    with Storage(endless) as storage, pytest.raises(TooLargeError, match="1048576 bytes"):
        transfer(storage.address, path, QUICK)
    assert received(path) <= QUICK.max_bytes + (1 << 16)


def test_an_endless_head_ends(path: Path) -> None:
    def endless(asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X-More: and more\r\n"

    with Storage(endless) as storage:
        fault(storage, path)


@pytest.mark.parametrize("said", [b"", b"HTTP/9 hello\r\n\r\n", b"\0" * 100, b"SSH-2.0-x\r\n"])
def test_what_is_no_http_is_a_fault(path: Path, said: bytes) -> None:
    with Storage(lambda asked: iter((said,))) as storage:
        fault(storage, path)


@pytest.mark.parametrize(
    "body", [b"zz\r\n", b"5\r\nPK\x03\x04", b"-1\r\nabc", b"5\r\nPK\x03\x04a\r\n"]
)
def test_chunks_that_break_off_are_a_fault(path: Path, body: bytes) -> None:
    with Storage(once(200, "Transfer-Encoding: chunked", body=body)) as storage:
        fault(storage, path)
    assert not path.exists()


def test_a_redirect_to_itself_ends(path: Path) -> None:
    around = ("Location: ?again", "Content-Length: 0", "Connection: close")
    with Storage(once(302, *around)) as storage:
        assert fault(storage, path) == "storage: TooManyRedirects"
    assert len(storage.asked) < 10


@pytest.mark.parametrize(
    "place",
    ["http://[", "ftp://127.0.0.1/a", "file:///etc/passwd", "http://", "\xe9", "http://x:y"],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_redirect_to_nowhere_is_a_fault(path: Path, place: str) -> None:
    with Storage(once(302, f"Location: {place}", "Content-Length: 0")) as storage:
        fault(storage, path)
    assert left(path) == []
    # The HTTP library leaves a connection open when it cannot read the place.
    gc.collect()


def test_nobody_listening_is_a_fault(path: Path) -> None:
    with Storage(stored()) as storage:
        pass
    assert fault(storage, path) == "storage: ConnectionError"


def test_odd_headers_are_not_logged_with_the_address(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The HTTP library would warn about them, naming all it knows."""
    logging.getLogger("urllib3").setLevel(logging.NOTSET)
    with Storage(once(200, f"Content-Length: {len(DATA)}", "X-Odd", body=DATA)) as storage:
        transfer(storage.address, path, QUICK)
    assert path.read_bytes() == DATA
    assert SECRET not in caplog.text


# --- killed -------------------------------------------------------------------------------------


def test_a_killed_process_has_lost_nothing_it_received(path: Path) -> None:
    """Twice killed in the middle, each next one asks for exactly what is not on disk."""
    program = (
        "import sys; from pathlib import Path; from extract.kaggle.limits import KaggleLimits; "
        "from extract.kaggle.transfer import transfer; "
        "transfer(sys.argv[1], Path(sys.argv[2]), KaggleLimits())"
    )
    on_disk = [0]
    with Storage(stored(piece=1_000, pause_s=0.01)) as storage:
        for _ in range(2):
            process = subprocess.Popen(
                [sys.executable, "-c", program, storage.address, str(path)],
                cwd=ROOT,
                env={**os.environ, "no_proxy": "127.0.0.1"},
            )
            deadline = time.monotonic() + 300
            while received(path) < on_disk[-1] + 20_000:
                assert time.monotonic() < deadline
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
            process.wait()
            on_disk.append(received(path))
        storage.answer = stored()
        assert transfer(storage.address, path, QUICK) == len(DATA) - on_disk[-1]
    assert path.read_bytes() == DATA
    starts = [asked.get("range", "bytes=0-") for asked in storage.asked]
    assert starts == [f"bytes={size}-" for size in on_disk]


def test_a_note_that_is_none_begins_anew(path: Path) -> None:
    with Storage(stored(cuts=[HALF] * 4)) as storage:
        for note in ("", "[]", "{}", json.dumps({"validator": '"one"'})):
            fault(storage, path)
            path.with_name("archive.zip.note").write_text(note)
        assert transfer(storage.address, path, QUICK) == len(DATA)
    assert not any("range" in asked for asked in storage.asked)
    assert path.read_bytes() == DATA


# --- Retry-After --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("12", 12),
        (" 7 ", 7),
        ("9" * 400, 999_999_999),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 0),
    ],
)
def test_seconds_of_a_header(text: str, seconds: float) -> None:
    assert retry_after_s({"Retry-After": text}) == seconds


def test_a_date_of_a_header() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    wait_s = retry_after_s({"Retry-After": later})
    assert wait_s is not None
    assert 95 < wait_s <= 100
    assert retry_after_s({"Retry-After": later.replace("GMT", "-0000")}) is not None


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5", "1.5", "٣", "Wed, 01 Jan 99999 00:00:00 GMT", "Wed, 41 Jan 2020", "\ud800"],
)
def test_what_is_no_pause_is_none(text: str) -> None:
    assert retry_after_s({"Retry-After": text}) is None
    assert retry_after_s({}) is None
