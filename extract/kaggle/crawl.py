"""Finds datasets by searches, page by page, each dataset once.

Enter searches; what they show goes into the catalogue as it comes, so that memory does not grow
with the crawl. The service ends every search after some 10,000 results: a search that reaches this
limit is split by size into two, and by group of licence and kind of file where sizes do not part
any more. Pages may be short or empty and go on, and a token may come twice; only its absence ends a
search.

Not guaranteed: a moment. Datasets that are published, or change their rank, during a crawl may be
missed until the next.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import ValidationError

from extract.dataset import DatasetRef
from extract.kaggle.catalogue import Catalogue, SearchResult, parsed_record
from extract.kaggle.fields import instant, line, tag_names
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import FileGroup, LicenceGroup, Page, PageQuery, Search
from extract.kaggle.service import ServiceFault

_SHORT_PAGES, _SPARE_PAGES = 10, 50
"""How many times the pages that full ones would need a search may have, and how many more."""
_ASK_AGAIN = 3
_DEEPEST = 64
"""Splits that one dataset is met in at most, give or take: sizes have no more bits."""
_MOST_RECORD = 1 << 18
"""Characters of a record; none that was seen had more than some thousands."""
_NARROWER = "name tags or a text: source.kaggle.searches"
_LENGTHY = ("description", "files", "versions", "thumbnailImageUrl")
_MOST_COUNT, _MOST_VERSION = 2**62, 2**31
"""Below what the columns of the catalogue hold."""


class TruncatedError(Exception):
    """A search with more results than can be reached, however it is split."""


def crawl(
    search: Search,
    ask: Callable[[PageQuery], Page],
    catalogue: Catalogue,
    number: int,
    limits: KaggleLimits,
    on_shown: Callable[[int], None] = lambda shown: None,
) -> None:
    """Bring all results of a search into the catalogue, as part of crawl `number`.

    `on_shown` hears after each page how many datasets the crawl has shown. Raises `ServiceFault`,
    and `TruncatedError` when results are out of reach.
    """
    waiting, taken = [_query(search, limits)], set[str]()
    known = splits = 0
    while waiting:
        query = waiting.pop()
        shown, sizes = 0, list[int]()
        for page in _pages(query, ask, limits):
            read = (_seen(text, search) for text in page.records)
            records = [one for one in read if one is not None]
            if records:
                kept = records if search.most is None else _first(records, search.most, taken)
                known = catalogue.add_results(number, kept)
                on_shown(known)
            if search.most is not None and len(taken) >= search.most:
                return
            shown += len(page.records)
            sizes += [one.bytes for one in records]
        if shown >= limits.result_limit:
            splits += 1
            if splits * limits.result_limit > _DEEPEST * known:
                raise TruncatedError(f"a search shows the same, whatever its size; {_NARROWER}")
            waiting += _split(query, sizes)


def _first(records: list[SearchResult], most: int, taken: set[str]) -> list[SearchResult]:
    """Records until enough are wanted; `taken` holds the keys of those that are."""
    kept = []
    for one in records:
        if len(taken) >= most:
            break
        kept.append(one)
        if not one.passed_over:
            taken.add(one.ref.key.casefold())
    return kept


def _query(search: Search, limits: KaggleLimits) -> PageQuery:
    wanted = search.model_dump(exclude={"min_usability", "most"})
    return PageQuery(**wanted, page_size=limits.page_size)


def _pages(
    query: PageQuery, ask: Callable[[PageQuery], Page], limits: KaggleLimits
) -> Iterator[Page]:
    """All pages of one query, or as many as reach the limit."""
    tokens, shown = {""}, 0
    for _ in range(limits.result_limit // query.page_size * _SHORT_PAGES + _SPARE_PAGES):
        page = _fresh_page(query, ask, tokens)
        yield page
        shown += len(page.records)
        if not page.next_token or shown >= limits.result_limit:
            return
        tokens.add(page.next_token)
        query = query.model_copy(update={"token": page.next_token})
    raise ServiceFault("transient", "ListDatasets: the pages have no end")


def _fresh_page(query: PageQuery, ask: Callable[[PageQuery], Page], tokens: set[str]) -> Page:
    """A page whose next token has not been seen; a token that repeats would lead round for ever."""
    for _ in range(_ASK_AGAIN):
        page = ask(query)
        if not page.next_token or page.next_token not in tokens:
            return page
    raise ServiceFault("transient", "ListDatasets: the token of the next page repeats itself")


def _split(query: PageQuery, sizes: list[int]) -> list[PageQuery]:
    """Two or more queries that have the results of one, each fewer."""
    low, high = query.min_bytes, query.max_bytes
    if low < high:
        middle = sorted(sizes)[len(sizes) // 2] if sizes else -1
        if not low <= middle <= high:
            # Sizes are counted otherwise than asked for; halve the orders of magnitude.
            middle = int((max(low, 1) * high) ** 0.5)
        # Where most have the largest size, it stands alone.
        middle = min(middle, high - 1)
        halves = ((low, middle), (middle + 1, high))
        return [query.model_copy(update={"min_bytes": a, "max_bytes": b}) for a, b in halves]
    if query.licence == "all":
        groups = [name for name in get_args(LicenceGroup) if name != "all"]
        return [query.model_copy(update={"licence": name}) for name in groups]
    if query.file_type == "all":
        types = [name for name in get_args(FileGroup) if name != "all"]
        return [query.model_copy(update={"file_type": name}) for name in types]
    raise TruncatedError(f"more datasets of {low} bytes than a search can show; {_NARROWER}")


# --- records ----------------------------------------------------------------------------------


def _seen(text: str, search: Search) -> SearchResult | None:
    one = read_record(text)
    if one is None or one.usability >= search.min_usability:
        return one
    reason = f"usability {one.usability:.2f}, wanted at least {search.min_usability:.2f}"
    return one.model_copy(update={"passed_over": reason})


def read_record(text: str) -> SearchResult | None:
    """What a record says, None when it names no dataset; odd fields count as not given.

    One of absurd depth names none; of one of absurd length the long parts are left out.
    """
    record = parsed_record(text)
    if len(text) > _MOST_RECORD:
        # What stands there at such length is not needed to know a dataset by.
        record = {name: value for name, value in record.items() if name not in _LENGTHY}
    owner, _, slug = line(record.get("ref")).partition("/")
    version = _count(record.get("currentVersionNumber"))
    known = 0 < version < _MOST_VERSION
    try:
        ref = DatasetRef(owner=owner, slug=slug, version=version if known else 1)
        kept = json.dumps(record)
    except (ValidationError, RecursionError):
        return None
    if len(kept) > _MOST_RECORD:
        return None
    return SearchResult(
        ref=ref,
        knows_version=known,
        record=kept,
        title=line(record.get("title")),
        licence=line(record.get("licenseName") or record.get("licenseNameNullable")),
        updated_at=instant(record.get("lastUpdated")),
        bytes=_count(record.get("totalBytes")),
        usability=_share(record.get("usabilityRating")),
        votes=_count(record.get("voteCount")),
        downloads=_count(record.get("downloadCount")),
        tags=tag_names(None, record.get("tags")),
    )


def _count(value: Any) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= _MOST_COUNT else 0


def _share(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 1 else 0.0
