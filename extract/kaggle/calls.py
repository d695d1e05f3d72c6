"""The calls to Kaggle, made through the official client: the one file that imports it.

Runs inside a worker, and nowhere else: the client has no timeouts, prints on import, takes every
variable that begins with `KAGGLE_` for a setting and reads files in the home folder. Here it finds
an empty home, only the variables that we mean, no standard output and a clock that ends each call.
The client fails as a whole on one odd field of an answer, so the answers are read here, as text.

Leave: JSON as it was sent, bounded, and the address of an archive; or a `ServiceFault` whose text
holds neither credential nor signed address.
"""

import contextlib
import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from extract.dataset import DatasetRef
from extract.kaggle.credentials import CLIENT_VARIABLES, LOGIN_HELP
from extract.kaggle.queries import Page, PageQuery
from extract.kaggle.service import ServiceFault
from extract.kaggle.transfer import retry_after_s

_MOST_BYTES = 64 << 20
"""Of one answer; a worker has room for several times this."""
_UNAVAILABLE = {400, 403, 404, 410, 451}
_ASKED_FOR = {"info", "datasets", "ref"}
"""Keys of answers; what has one is no error, whatever else it says."""
_DESCRIBING = {"info", "id", "title", "licenses", "ownerUser", "datasetSlug"}
"""Keys of metadata, wrapped or flat; an object without any says nothing about a dataset."""
_ALARM_AGAIN_S = 0.5


def who_am_i(timeout_s: float) -> str:
    """The user name that the credentials belong to, after one small call that needs them."""
    from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetsRequest

    request = ApiListDatasetsRequest()
    request.page_size = 1
    _answer("ListDatasets", timeout_s, lambda api: api.list_datasets(request))
    return str(_api().config_values.get("username", ""))


def list_page(query: PageQuery, timeout_s: float) -> Page:
    """One page of a search."""
    from kagglesdk.datasets.types.dataset_api_service import ApiListDatasetsRequest
    from kagglesdk.datasets.types.dataset_enums import (
        DatasetFileTypeGroup,
        DatasetLicenseGroup,
        DatasetSortBy,
    )

    request = ApiListDatasetsRequest()
    request.search = query.text
    request.tag_ids = ",".join(query.tags)
    request.license = DatasetLicenseGroup[f"DATASET_LICENSE_GROUP_{query.licence.upper()}"]
    file_type = "BIG_QUERY" if query.file_type == "bigQuery" else query.file_type.upper()
    request.file_type = DatasetFileTypeGroup[f"DATASET_FILE_TYPE_GROUP_{file_type}"]
    request.sort_by = DatasetSortBy[f"DATASET_SORT_BY_{query.sort.upper()}"]
    # None is left out; a minimum of 0 means the same.
    request.min_size = query.min_bytes or None
    request.max_size = query.max_bytes
    request.page_size = query.page_size
    request.page_token = query.token
    if not query.token:
        request.page = 1
    answer = _answer("ListDatasets", timeout_s, lambda api: api.list_datasets(request))
    body = _parsed("ListDatasets", _text("ListDatasets", answer))
    if "error" in body or "message" in body:
        raise ServiceFault("transient", "ListDatasets: expected datasets, found an error")
    records, token = body.get("datasets") or [], body.get("nextPageToken") or ""
    if not isinstance(records, list) or not isinstance(token, str) or len(token) > 10_000:
        types = f"{type(records).__name__} and {type(token).__name__}"
        detail = f"ListDatasets: expected a list of datasets and a token, found {types}"
        raise ServiceFault("transient", detail)
    try:
        return Page(records=tuple(map(json.dumps, records)), next_token=token)
    except RecursionError:
        raise ServiceFault("transient", "ListDatasets: a record is nested too deeply") from None


def get_record(ref: DatasetRef, timeout_s: float) -> str:
    """The record of a dataset as a search would list it: a JSON object of its current version."""
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetRequest

    request = ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = ref.owner, ref.slug
    what = f"GetDataset {ref.key}"
    answer = _answer(what, timeout_s, lambda api: api.get_dataset(request))
    return json.dumps(_parsed(what, _text(what, answer)))


def get_metadata(ref: DatasetRef, timeout_s: float) -> str:
    """The metadata of a dataset, which knows no version: JSON, whatever it holds.

    The bytes as they were sent, decoded with surrogate escapes so that a mirror can hold the very
    same. What is no JSON is `malformed`, with the same as its `answer`; a page of HTML is
    `transient`.
    """
    from kagglesdk.datasets.types.dataset_api_service import ApiGetDatasetMetadataRequest

    request = ApiGetDatasetMetadataRequest()
    request.owner_slug, request.dataset_slug = ref.owner, ref.slug
    what = f"GetDatasetMetadata {ref.key}"
    answer = _answer(what, timeout_s, lambda api: api.get_dataset_metadata(request))
    text = answer.content.decode("utf-8", "surrogateescape")
    try:
        metadata = json.loads(answer.content)
    except (ValueError, RecursionError) as error:
        _check_no_page(what, text)
        detail = f"{what}: expected JSON: {type(error).__name__}"
        raise ServiceFault("malformed", detail, answer=text) from None
    describes = not isinstance(metadata, dict) or any(metadata.get(key) for key in _DESCRIBING)
    if metadata is None or not describes:
        raise ServiceFault("transient", f"{what}: expected metadata, found an answer without any")
    return text


def get_address(ref: DatasetRef, pinned: bool, timeout_s: float) -> str:
    """The signed storage address of an archive: of this very version when `pinned`."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = ref.owner, ref.slug
    request.dataset_version_number = ref.version if pinned else None
    what = f"DownloadDataset {ref}"
    answer = _answer(what, timeout_s, lambda api: api.download_dataset(request))
    address = answer.headers.get("Location", "")
    try:
        scheme = urlsplit(address).scheme
    except ValueError:
        scheme = ""
    if scheme != "https" and not (scheme == "http" and _is_local()):
        given = scheme or f"HTTP {answer.status_code}"
        raise ServiceFault("transient", f"{what}: expected an https address, found {given}")
    return address


# --- the client -------------------------------------------------------------------------------


class _OutOfTime(BaseException):
    """No `Exception`, because the client swallows those."""


@contextlib.contextmanager
def _within(timeout_s: float) -> Iterator[None]:
    """End the block after so many seconds of the wall clock, also in the middle of a system call.

    The alarm rings again in case somebody swallowed it.
    """

    def ring(*_: object) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout_s, _ALARM_AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _answer(what: str, timeout_s: float, method: Callable[[Any], object]) -> requests.Response:
    """The answer to a call of the datasets service, read whole; a redirect is not followed.

    The limit starts after the client is imported.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        _client()
        try:
            with _within(timeout_s):
                return _asked(what, method)
        except _OutOfTime:
            detail = f"{what}: no answer within {timeout_s:g} s"
            raise ServiceFault("transient", detail) from None


def _asked(what: str, method: Callable[[Any], object]) -> requests.Response:
    seen = _Seen()
    with _api().build_kaggle_client() as kaggle:
        # The session is private; it is the only way to see an answer before the client parses it.
        session = kaggle.http_client()._session
        session.max_redirects = 0
        for scheme in ("https://", "http://"):
            session.mount(scheme, seen)
        try:
            method(kaggle.datasets.dataset_api_client)
        except ServiceFault as fault:
            raise ServiceFault(fault.kind, f"{what}: {fault}") from None
        except Exception as error:
            # With an answer the failure is the client's own parse of it, which does not matter.
            if seen.last is None:
                raise ServiceFault("transient", f"{what}: {type(error).__name__}") from None
    if seen.last is None:
        raise ServiceFault("transient", f"{what}: no answer")
    _check_status(what, seen.last)
    return seen.last


class _Seen(HTTPAdapter):
    """Keeps the last answer, with a body that has an end."""

    last: requests.Response | None = None

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        """As requests does it, but always read to the end, or to the limit."""
        response = super().send(*arguments, **{**options, "stream": True})
        body = bytearray()
        for chunk in response.iter_content(1 << 16):
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ServiceFault("malformed", f"expected at most {_MOST_BYTES} bytes of answer")
        response._content = bytes(body)
        self.last = response
        return response


def _check_status(what: str, answer: requests.Response) -> None:
    """Raise the fault of an answer that is none; the status may stand in the body alone.

    Only what speaks of this one thing is `unavailable`; all that a proxy or an outage may say is
    transient. A redirect is an answer where one is asked for.
    """
    status = answer.status_code
    if status == 200:
        status = _status_in(answer)
    if status == 200 or (300 <= status < 400 and answer.headers.get("Location")):
        return
    detail = f"{what}: HTTP {status}"
    if status == 401:
        raise ServiceFault(
            "no_access", f"{detail}: Kaggle does not take the credentials; {LOGIN_HELP}"
        )
    if status in _UNAVAILABLE:
        raise ServiceFault("unavailable", f"{detail}; open its page on kaggle.com to see why")
    raise ServiceFault("transient", detail, retry_after_s(answer.headers))


def _status_in(answer: requests.Response) -> int:
    """The status that a body gives in place of what was asked for, else 200."""
    try:
        body = answer.json()
    except (ValueError, RecursionError):
        return 200
    if not isinstance(body, dict) or body.keys() & _ASKED_FOR:
        return 200
    inner = body.get("error")
    for place in (body, inner if isinstance(inner, dict) else {}):
        code = place.get("code")
        if isinstance(code, int) and 400 <= code < 600:
            return code
    return 503 if inner else 200


def _text(what: str, answer: requests.Response) -> str:
    text = answer.content.decode("utf-8", "replace")
    _check_no_page(what, text)
    return text


def _check_no_page(what: str, text: str) -> None:
    """Raise for what an outage looks like: a page, a sentence, nothing at all."""
    if text.lstrip("\ufeff \t\r\n")[:1] not in ("{", "[", '"'):
        raise ServiceFault("transient", f"{what}: expected JSON, found a page or nothing")


def _parsed(what: str, text: str) -> dict[str, Any]:
    """The JSON object of an answer."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        kind = type(error).__name__
        raise ServiceFault("malformed", f"{what}: expected JSON: {kind}", answer=text) from None
    if not isinstance(body, dict):
        raise ServiceFault("malformed", f"{what}: expected a JSON object", answer=text)
    return body


@cache
def _client() -> type[Any]:
    """The class of the client, imported without credentials: with a token it would go online."""
    for name in list(os.environ):
        if name == "VERBOSE" or (name.startswith("KAGGLE_") and name not in CLIENT_VARIABLES):
            del os.environ[name]
    token = os.environ.pop("KAGGLE_API_TOKEN", None)
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi
    finally:
        if token is not None:
            os.environ["KAGGLE_API_TOKEN"] = token
    api: type[Any] = KaggleApi
    return api


@cache
def _api() -> Any:
    """The client, logged in; raises the fault when it cannot be."""
    api = _client()()
    try:
        api.authenticate()
    except requests.HTTPError as error:
        if error.response is not None:
            _check_status("IntrospectToken", error.response)
        raise ServiceFault("transient", "IntrospectToken: an answer without meaning") from None
    except requests.RequestException as error:
        raise ServiceFault("transient", f"IntrospectToken: {type(error).__name__}") from None
    except (SystemExit, OSError, ValueError):
        detail = f"Kaggle does not know the access token, and there is no key; {LOGIN_HELP}"
        raise ServiceFault("no_access", detail) from None
    return api


def _is_local() -> bool:
    return os.environ.get("KAGGLE_API_ENVIRONMENT") == "LOCALHOST"
