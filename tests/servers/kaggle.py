"""A Kaggle on this machine that the real client talks to, with faults on request.

The client reaches it by environment alone: `KAGGLE_API_ENVIRONMENT=LOCALHOST` makes it ask
`http://localhost`, and `http_proxy` sends that to our port. Enters: a directory in Kaggle's layout,
list records, faults. Leaves: the answers of the real protocol, and a list of what was asked.

    with LoopbackKaggle(mirror, faults=Faults.passing(seed=7)) as kaggle:
        subprocess.run(command, env={**os.environ, **kaggle.environment}, check=True)
        assert kaggle.count("DownloadDataset", "ann/churn") == 1

Without network the product can be tried with it:

    python -m tests.servers.kaggle --mirror DIRECTORY --faults passing --seed 7

Not guaranteed: that the real service behaves so where nobody has measured it (limits, order,
storage headers). It listens on the loopback interface only, and its credentials are no secret.
"""

import argparse
import base64
import contextlib
import itertools
import json
import re
import shlex
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from tests.servers.answers import Answer, refused, substitute
from tests.servers.archives import Storage
from tests.servers.catalogue import Catalogue, MissingError, read_version
from tests.servers.faults import Fate, Faults
from tests.servers.listing import BadRequestError
from tests.servers.records import made_records
from tests.servers.service import KEY, TOKEN, USERNAME, Service, Subject

__all__ = ["Faults", "LoopbackKaggle", "Request", "made_records"]

_CALL = re.compile(r"/(?:api/)?v1/[A-Za-z.]{1,80}/([A-Za-z]{1,80})")
_START = re.compile(r"bytes=([0-9]{1,15})-")
_STORED = re.compile(r"/storage/([^/]+/[^/]+)/([0-9]{1,9})/")
_BODY_BYTES = 1 << 20
_IDLE_S = 120.0
_DRIP_PAUSE_S = 0.1
_CLOSING_S = 10.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """One request and what became of it."""

    rpc: str
    """Name of the call; `Storage` for the download itself, `?` for what is neither."""
    ref: str
    version: int | None
    """The version asked for; for downloads the one given."""
    authorised: bool
    """Valid credentials came along; for storage, any at all."""
    start: int = 0
    """First byte asked for by `Range`."""
    sent: int = 0
    """Bytes of the body handed to the socket."""
    status: int = 0
    """Zero while there is no answer."""
    fault: str = ""


class LoopbackKaggle:
    """A server on an ephemeral port, from `with` until its end."""

    def __init__(
        self,
        mirror: Path | None = None,
        *,
        records: Sequence[Mapping[str, Any]] = (),
        faults: Faults = Faults(),  # noqa: B008 (frozen)
        port: int = 0,
        result_limit: int = 10_000,
        pace: int | None = None,
    ) -> None:
        """`pace` is the most bytes a second that each connection to storage gets."""
        self._folder = tempfile.TemporaryDirectory(prefix="loopback-kaggle-")
        root = Path(self._folder.name)
        for name in ("storage", "config"):
            (root / name).mkdir()
        self._catalogue = Catalogue(mirror, records)
        self._server = _Server(("127.0.0.1", port), faults)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._service = Service(
            self._catalogue, Storage(root / "storage"), self.address, result_limit
        )
        self._server.service = self._service
        self._server.pace = pace
        self.token = TOKEN
        """A valid access token, for KAGGLE_API_TOKEN."""
        self.environment = {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_CONFIG_DIR": str(root / "config"),
            "KAGGLE_KEY": KEY,
            "KAGGLE_USERNAME": USERNAME,
            "NO_PROXY": "127.0.0.1",
            "http_proxy": self.address,
            "no_proxy": "127.0.0.1",
        }
        """What a process needs to reach it with a valid legacy key. `localhost` must go through
        the proxy; Prefect's temporary server on 127.0.0.1 must not, or it is not found."""

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all connections, hanging ones too; a fault of this server's own is raised."""
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()
        self._folder.cleanup()
        if self._server.errors:
            raise ExceptionGroup("faults of the loopback Kaggle itself", self._server.errors)

    @property
    def requests(self) -> list[Request]:
        """What was asked so far, in order of arrival."""
        with self._server.lock:
            return list(self._server.log)

    def count(self, rpc: str, ref: str | None = None) -> int:
        """How often a call was made, for one dataset or for all."""
        return sum(asked.rpc == rpc and ref in (None, asked.ref) for asked in self.requests)

    def publish(self, ref: str, folder: Path, version: int) -> None:
        """A newer version of a dataset, or a new dataset; earlier versions stay in their folders.

        Where the folder has no list record, that of the version before is carried on.
        """
        try:
            before = self._catalogue.find(ref)
        except MissingError:
            before = None
        if before and version <= before.number:
            raise ValueError(f"{ref}: expected a version after {before.number}, found {version}")
        made = read_version(ref, folder, before, version)
        self._service.pack(made)
        self._catalogue.add(made)

    def withdraw(self, ref: str) -> None:
        """Not listed and not found from now on."""
        self._catalogue.withdraw(ref)


class _Server(ThreadingHTTPServer):
    """Keeps the open connections, so that closing ends them, and what was asked."""

    daemon_threads = True
    request_queue_size = 128
    service: Service
    pace: int | None = None

    def __init__(self, address: tuple[str, int], faults: Faults) -> None:
        super().__init__(address, _Handler)
        self.faults = faults
        self.fate = Fate(faults)
        self.closing = threading.Event()
        self.errors: list[Exception] = []
        self.log: list[Request] = []
        self.lock = threading.Lock()
        self._changed = threading.Condition(self.lock)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.lock:
            self._open.discard(request)
            self._changed.notify_all()

    def end_connections(self) -> None:
        """End what waits or is being sent; every wait looks at `closing`."""
        self.closing.set()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            if not self._changed.wait_for(lambda: not self._open, _CLOSING_S):
                self.errors.append(RuntimeError(f"{len(self._open)} connections did not end"))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away; anything else is kept for the end of the server."""
        error = sys.exception()
        gone = isinstance(error, ConnectionError | TimeoutError)
        if isinstance(error, Exception) and not gone:
            with self.lock:
                self.errors.append(error)

    def arrived(self, request: Request) -> int:
        """Put a request on the list; returns its place there."""
        with self.lock:
            self.log.append(request)
            return len(self.log) - 1

    def note(self, place: int, **fields: Any) -> None:
        """What became of a request; `sent` adds up."""
        with self.lock:
            asked = self.log[place]
            fields["sent"] = asked.sent + fields.get("sent", 0)
            self.log[place] = replace(asked, **fields)


class _Handler(BaseHTTPRequestHandler):
    """One connection; the client may send several requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_S
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        """A call."""
        match = _CALL.fullmatch(self._path()[0])
        call = match[1] if match else "?"
        try:
            body = self._json()
            subject = self.server.service.subject(call, body)
        except BadRequestError as error:
            place = self.server.arrived(Request(call, "", None, self._authorised()))
            self._send(place, refused(400, str(error)), "")
            return
        authorised = self._authorised()
        place = self.server.arrived(Request(call, subject.ref, subject.version, authorised))
        if not authorised and call != "IntrospectToken":
            self._send(place, refused(401, "Unauthenticated"), "")
            return
        fault = self._draw(place, call, subject)
        if not self._silent(fault):
            answer = substitute(fault, by_storage=False)
            self._send(place, answer or self.server.service.answer(call, body, fault), fault)

    def do_GET(self) -> None:
        """An object in storage."""
        path, query = self._path()
        address = _STORED.match(path)
        if address is None:
            place = self.server.arrived(Request("?", "", None, self._authorised()))
            self._send(place, refused(404, "not found"), "")
            return
        ref, version = unquote(address[1]), int(address[2])
        start = _START.match(self.headers.get("Range", ""))
        place = self.server.arrived(
            Request(
                "Storage",
                ref,
                version,
                authorised="Authorization" in self.headers,
                start=int(start[1]) if start else 0,
            )
        )
        fault = self._draw(place, "Storage", Subject(ref, version, path))
        if not self._silent(fault):
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = substitute(fault, by_storage=True)
            self._send(
                place, answer or self.server.service.fetch(path, query, headers, fault), fault
            )

    def _path(self) -> tuple[str, str]:
        """Path and query; a client that takes us for a proxy sends the whole address."""
        try:
            parts = urlsplit(self.path)
        except ValueError:
            return "", ""
        return parts.path, parts.query

    def _json(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > _BODY_BYTES:
            self.close_connection = True
            raise BadRequestError(f"expected a body of at most {_BODY_BYTES} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}")
        except (ValueError, RecursionError) as error:
            raise BadRequestError("expected JSON") from error
        if not isinstance(body, dict):
            raise BadRequestError("expected a JSON object")
        return body

    def _authorised(self) -> bool:
        basic = base64.b64encode(f"{USERNAME}:{KEY}".encode()).decode()
        return self.headers.get("Authorization") in (f"Basic {basic}", f"Bearer {TOKEN}")

    def _draw(self, place: int, call: str, subject: Subject) -> str:
        fault = self.server.fate.draw(call, subject.ref, str(subject))
        self.server.note(place, fault=fault)
        return fault

    def _silent(self, fault: str) -> bool:
        """Act out the faults that have no answer."""
        if fault == "hang":
            self.server.closing.wait(self.server.faults.hang_s)
        elif fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            # The files made of the socket would keep it open, and a shutdown would end it politely.
            socket.close(self.connection.detach())
        else:
            return False
        self.close_connection = True
        return True

    def _send(self, place: int, answer: Answer, fault: str) -> None:
        length = len(answer.body)
        said = {"version": answer.version} if answer.version else {}
        self.server.note(place, status=answer.status, **said)
        if fault in ("cut", "drip", "short"):
            self.close_connection = True
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length // 2 if fault == "short" else length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in self._pieces(answer, fault):
            self.server.note(place, sent=len(piece))
            self.wfile.write(piece)
            if self.server.pace and self.command == "GET":
                self.server.closing.wait(len(piece) / self.server.pace)

    def _pieces(self, answer: Answer, fault: str) -> Iterator[bytes]:
        """The body as it is sent: whole, the first half, or drop by drop."""
        left = len(answer.body) // 2 if fault == "cut" else len(answer.body)
        if fault != "drip":
            for chunk in answer.chunks():
                yield chunk[:left]
                left = max(left - len(chunk), 0)
            return
        drops = itertools.chain.from_iterable(answer.chunks())
        for drop in itertools.islice(drops, int(self.server.faults.drip_s / _DRIP_PAUSE_S)):
            if self.server.closing.wait(_DRIP_PAUSE_S):
                return
            yield bytes((drop,))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what to export, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.kaggle", description=__doc__)
    parser.add_argument("--mirror", type=Path, help="a directory in Kaggle's layout")
    parser.add_argument("--records", type=int, default=0, help="made-up datasets, only listed")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--faults", choices=("none", "passing"), default="none")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    faults = Faults.passing(given.seed) if given.faults == "passing" else Faults()
    records = made_records(given.records)
    kaggle = LoopbackKaggle(given.mirror, records=records, faults=faults, port=given.port)
    # Whoever reads the first lines may send the signal before the last of this function runs.
    with contextlib.suppress(KeyboardInterrupt), kaggle:
        for name, value in sorted(kaggle.environment.items()):
            print(f"export {name}={shlex.quote(value)}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
