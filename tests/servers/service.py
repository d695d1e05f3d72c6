"""What each call of the loopback Kaggle answers, without HTTP.

Enters: the name of a call, the body of its request, and the fault that was drawn. Leaves: an
answer. Downloads are redirected to storage, on another host name than that of the service, under an
address that is signed as Google's are: who has the address needs no credentials.

Not guaranteed: which of 403 and 404 the real service chooses; here all that is missing is 404.
"""

import hashlib
import hmac
import itertools
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, unquote

from tests.servers.answers import Answer, refused, refused_by_storage, said, stored
from tests.servers.archives import Storage, Stored
from tests.servers.catalogue import Catalogue, MissingError, Record, Version, never_published
from tests.servers.listing import BadRequestError, Page, Query, text, whole

USERNAME = "loopback"
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "KGAT_0123456789abcdef0123456789abcdef"

_ADDRESS = re.compile(r"/storage/([^/]+/[^/]+)/([0-9]{1,9})/(?:archive\.zip|files/(.+))")
_SIGNATURE = "X-Goog-Signature"
_QUERIES = 256


@dataclass(frozen=True)
class Subject:
    """What a call is about."""

    ref: str = ""
    version: int | None = None
    page: str = ""

    def __str__(self) -> str:
        return f"{self.ref}/{self.version or ''} {self.page}"


@dataclass
class Service:
    """The calls that `kaggle` makes for datasets."""

    catalogue: Catalogue
    storage: Storage
    origin: str
    """Scheme, host and port of storage."""
    result_limit: int
    _queries: dict[Query, tuple[Sequence[Version], list[Record]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _nonces: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def subject(self, call: str, body: Record) -> Subject:
        """What a call is about, by which faults are drawn and requests counted."""
        if call == "ListDatasets":
            page = Page.read(body, Query.read(body))
            return Subject(page=f"{page.name} {page.start}")
        if "ownerSlug" not in body and "datasetSlug" not in body:
            return Subject()
        ref = f"{text(body, 'ownerSlug')}/{text(body, 'datasetSlug')}"
        page_token = text(body, "pageToken").rpartition("-")[0] or text(body, "fileName")
        return Subject(ref, whole(body, "datasetVersionNumber"), page_token)

    def answer(self, call: str, body: Record, fault: str) -> Answer:
        """The answer of a call; what is missing or cannot be understood is an answer as well."""
        handler = self._calls().get(call)
        if handler is None:
            return refused(404, f"there is no call {call}")
        try:
            return handler(body, fault)
        except MissingError as error:
            return refused(404, f"not found: {error}")
        except BadRequestError as error:
            return refused(400, str(error))

    def fetch(self, path: str, query: str, headers: Mapping[str, str], fault: str) -> Answer:
        """An object in storage, by an address that was given out."""
        address = _ADDRESS.fullmatch(path)
        signatures = parse_qs(query).get(_SIGNATURE, [""])
        if address is None or not hmac.compare_digest(signatures[0].encode(), _signed(path)):
            return refused_by_storage(403, "SignatureDoesNotMatch")
        version = self._given_out(unquote(address[1]), int(address[2]))
        name = unquote(address[3] or "")
        content = self._object(version, name, fault) if version else None
        if version is None or content is None:
            return refused_by_storage(404, "NoSuchKey")
        return stored(content, headers, version.last_modified)

    def pack(self, version: Version) -> None:
        """Make the archive of a version now, before somebody changes its folder."""
        self._object(version, "")

    def _calls(self) -> Mapping[str, Callable[[Record, str], Answer]]:
        return {
            "ListDatasets": self._list,
            "ListDatasetFiles": self._list_files,
            "GetDataset": lambda body, _: said(self._version(body).record),
            "GetDatasetMetadata": lambda body, _: said(self._version(body).metadata),
            "GetDatasetStatus": self._status,
            "DownloadDataset": self._download,
            "IntrospectToken": lambda body, _: said(_introspection(text(body, "token"))),
        }

    def _list(self, body: Record, fault: str) -> Answer:
        query = Query.read(body)
        page = Page.read(body, query)
        return self._paged("datasets", page, self._results(query)[: self.result_limit], fault)

    def _list_files(self, body: Record, fault: str) -> Answer:
        version = self._version(body, whole(body, "datasetVersionNumber"))
        page = Page.read(body, (version.ref, version.number))
        return self._paged("datasetFiles", page, version.files, fault)

    def _paged(self, name: str, page: Page, results: Sequence[Record], fault: str) -> Answer:
        items, following = page.cut(results)
        if fault == "repeated-token":
            following = page.token(page.start)
        elif fault == "empty-page":
            items, following = [], page.token(page.start, next(self._nonces))
        return said({name: items, "nextPageToken": following})

    def _results(self, query: Query) -> list[Record]:
        """All results of a query, kept until the catalogue changes."""
        listed = self.catalogue.listed()
        with self._lock:
            kept = self._queries.get(query)
            if kept is None or kept[0] is not listed:
                if len(self._queries) >= _QUERIES:
                    self._queries.clear()
                kept = self._queries[query] = (listed, query.select(listed))
        return kept[1]

    def _status(self, body: Record, _: str) -> Answer:
        self._version(body)
        return said({"status": "READY"})

    def _download(self, body: Record, fault: str) -> Answer:
        pinned = whole(body, "datasetVersionNumber")
        version, name = self._version(body, pinned), text(body, "fileName")
        if fault == "new-version" and pinned is None:
            version = never_published(version)
        if self._object(version, name) is None:
            raise MissingError(f"{version.ref}/{version.number} {name}")
        inside = f"files/{quote(name)}" if name else "archive.zip"
        path = f"/storage/{quote(version.ref)}/{version.number}/{inside}"
        address = f"{self.origin}{path}?{_SIGNATURE}={_signed(path).decode()}"
        return Answer(302, b"", {"Location": address}, version.number)

    def _version(self, body: Record, number: int | None = None) -> Version:
        return self.catalogue.find(self.subject("", body).ref, number)

    def _given_out(self, ref: str, number: int) -> Version | None:
        """A version that an address was given out for, published or not."""
        try:
            return self.catalogue.find(ref, number)
        except MissingError:
            pass
        try:
            newer = never_published(self.catalogue.find(ref))
        except MissingError:
            return None
        return newer if newer.number == number else None

    def _object(self, version: Version, name: str, fault: str = "") -> Stored | None:
        if version.folder is None:
            return None
        flaw = fault if fault in ("corrupt", "truncated") else ""
        key = f"{version.ref} {version.number} {version.halved} {version.folder}"
        if name:
            whole_one = self.storage.archive(version.folder, key, halved=version.halved)
            return self.storage.member(whole_one, name, flaw)
        return self.storage.archive(version.folder, key, halved=version.halved, flaw=flaw)


def _introspection(token: str) -> Record:
    if token != TOKEN:
        return {"active": False}
    return {"active": True, "username": USERNAME, "userId": 1, "scope": "resources.all"}


def _signed(path: str) -> bytes:
    return hmac.new(b"loopback storage", path.encode(), hashlib.sha256).hexdigest().encode()
