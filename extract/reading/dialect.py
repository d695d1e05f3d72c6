"""Bytes of a delimited text file become rows of text cells.

Encoding first, then delimiter and quoting, then the rectangle: how wide the table is, what stands
before it and after it, and what to do with rows of another length. The dialect is guessed on the
beginning of the file; the width is counted over all of it. No cell is interpreted here, and whether
the first row is a header is decided elsewhere.

Not guaranteed: a file in another eight-bit encoding than Windows-1252 or Latin-1 is read as one of
those, so its letters come out wrong.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import polars as pl

from extract.files.unreadable import UnreadableError
from extract.reading.limits import ReadConfig, check_height, check_width

_SNIFF_CHARS, _SNIFF_RECORDS = 1 << 18, 500
"""What a dialect is guessed on; the guess is checked by the width of all records."""
_HEAD_RECORDS = 60
"""Records in which titles and notes above a table may end."""
_CHUNK_CELLS = 1_000_000
"""Cells that are Python objects at a time: each takes far more memory than in a column."""
_FIELD_CHARS = 1 << 20
"""Of one cell; a quote that is never closed would make one of the rest of the file."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_REGULAR = 0.9
"""Share of records of one width from which the usual quoting is not doubted."""
_CLEARLY = 0.05
"""By how much another quoting must be better."""
_DELIMITED = 0.4
"""Share of lines with a delimiter from which those without are titles and notes."""
_LONG_ROWS = 0.05
"""Share of rows longer than the rest from which the table is taken to be as wide as they are."""


@dataclass(frozen=True)
class Dialect:
    """How cells are delimited."""

    delimiter: str
    quoted: bool = True
    escaped: bool = False
    """Quotes inside quotes are written with a backslash."""
    spaced: bool = False
    """Every delimiter is followed by a space that does not belong to the cell."""

    def records(self, text: str) -> Iterator[list[str]]:
        """All records, without empty lines."""
        # A StringIO would hold four bytes for each character.
        lines = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "replace")), "utf-8", newline="")
        reader = csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            doublequote=not self.escaped,
            escapechar="\\" if self.escaped else None,
            skipinitialspace=self.spaced,
        )
        return (record for record in reader if record)


# A delimiter that does not occur, so that every line is one cell; and any number of spaces.
_NONE = "\x1f"
_BY_SPACES = Dialect(" ", spaced=True)


@dataclass(frozen=True)
class Rectangle:
    """Rows of text cells; the first may be a header."""

    rows: pl.DataFrame
    """String columns `0` to `n - 1`; a cell that is not there is null."""
    dialect: Dialect | None = None
    note: str = ""
    """What was left out, empty when nothing was."""


def decode(data: bytes) -> str:
    """Text of a file: by its mark, else UTF-16 or UTF-8 if it can be, else one byte each.

    Raises `UnreadableError` for what is no text.
    """
    text = _decode(data).replace("\x00", "")
    head = text[: 1 << 20]
    if len(_CONTROL.findall(head)) > max(2, len(head) // 1000):
        raise UnreadableError("binary", "expected text, found control characters")
    return text


def _decode(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    head = data[:4096]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[offset::2].count(0)
        if zeros > 0.4 * len(head) / 2 and head[1 - offset :: 2].count(0) * 10 < zeros:
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _one_byte_each(data)


def _one_byte_each(data: bytes) -> str:
    """UTF-8 with a few broken bytes stays UTF-8; else Windows-1252; else Latin-1."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    if sum(not c.isascii() for c in text) - broken > 10 * broken:
        return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_delimited(text: str, limits: ReadConfig) -> Rectangle:
    """The rectangle of a delimited text. Raises `UnreadableError` when there is none."""
    csv.field_size_limit(_FIELD_CHARS)
    text, delimiter = _declared_delimiter(text)
    dialect = sniff(text, delimiter)
    if dialect == _BY_SPACES:
        text = "\n".join(line.strip() for line in text.splitlines())
    try:
        return _rectangle(text, dialect, limits)
    except csv.Error as error:
        if not dialect.quoted:
            raise UnreadableError("broken_file", f"csv: {error}") from error
    # A quote that is never closed swallows the rest of the file as one cell.
    try:
        return _rectangle(text, replace(dialect, quoted=False), limits)
    except csv.Error as error:
        raise UnreadableError("broken_file", f"csv: {error}") from error


def _declared_delimiter(text: str) -> tuple[str, str | None]:
    """Excel's `sep=;` line, taken off."""
    match = re.match(r'"?sep=(.)"?[ \t]*\r?\n', text, re.IGNORECASE)
    return (text[match.end() :], match[1]) if match else (text, None)


def sniff(text: str, delimiter: str | None = None) -> Dialect:
    """The dialect under which the most records have one width; a wider table wins a tie.

    Quotes are taken for plain characters only where they leave no table.
    """
    head = text[:_SNIFF_CHARS]
    if len(head) < len(text):
        head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
    delimiters = [delimiter] if delimiter else [",", ";", "\t", "|"]
    usual = [Dialect(d) for d in delimiters]
    if '\\"' in head:
        usual += [Dialect(d, escaped=True) for d in delimiters]
    best, dialect = _best(head, usual)
    if '"' in head and best < (True, _REGULAR, 0):
        better, other = _best(head, [Dialect(d, quoted=False) for d in delimiters])
        if better[:2] > (best[0], best[1] + _CLEARLY):
            dialect = other
            best = better
    if not best[0]:
        return _BY_SPACES if _is_aligned(head) else Dialect(_NONE)
    return replace(dialect, spaced=_spaced(head, dialect))


def _is_aligned(head: str) -> bool:
    """True when runs of spaces delimit cells: lines agree, and most cells are numbers."""
    _, share, width = _agreement(head, _BY_SPACES)
    records = islice(_BY_SPACES.records(head), _SNIFF_RECORDS)
    cells = [cell for record in records for cell in record if cell]
    digits = sum(cell[-1].isdigit() for cell in cells)
    return width > 1 and share >= 0.98 and digits > len(cells) / 2


def _best(head: str, dialects: list[Dialect]) -> tuple[tuple[bool, float, int], Dialect]:
    scored = [(_agreement(head, dialect), dialect) for dialect in dialects]
    return max(scored, key=lambda pair: pair[0])


def _agreement(head: str, dialect: Dialect) -> tuple[bool, float, int]:
    """Whether it delimits at all, share of records of the usual width, and that width."""
    try:
        widths = [len(record) for record in islice(dialect.records(head), _SNIFF_RECORDS)]
    except csv.Error:
        return False, 0, 0
    if not widths:
        return False, 0, 0
    width = _usual(Counter(widths))
    return width > 1, round(widths.count(width) / len(widths), 2), width


def _usual(widths: Counter[int]) -> int:
    """The most common width; lines without a delimiter count only where they are the most."""
    delimited = Counter({width: n for width, n in widths.items() if width > 1})
    if delimited.total() > _DELIMITED * widths.total():
        widths = delimited
    return max(widths, key=lambda width: (widths[width], width))


def _spaced(head: str, dialect: Dialect) -> bool:
    records = islice(dialect.records(head), 100)
    cells = [cell for record in records for cell in record[1:]]
    return bool(cells) and all(cell.startswith(" ") for cell in cells)


def _rectangle(text: str, dialect: Dialect, limits: ReadConfig) -> Rectangle:
    width, n_rows, usual = _measure(dialect.records(text), limits)
    records = dialect.records(text)
    head = list(islice(records, _HEAD_RECORDS))
    head = head[preamble(head, width) :]
    if head and len(head[0]) == width - 1 >= 2 and usual >= n_rows - 1:
        # R writes row names without a header for them.
        head[0] = ["", *head[0]]
    rows, dropped = _assemble(_chain(head, records), width)
    note = f"{dropped} of {n_rows} rows have more cells than the table has columns" * (dropped > 0)
    return Rectangle(without_footer(rows), dialect, note)


def _measure(records: Iterable[list[str]], limits: ReadConfig) -> tuple[int, int, int]:
    """Width of the table, number of records, and how many have that width."""
    widths: Counter[int] = Counter()
    n_rows = 0
    for n_rows, record in enumerate(records, start=1):
        widths[len(record)] += 1
        if n_rows > limits.max_rows + _HEAD_RECORDS:
            break
    check_height(n_rows - _HEAD_RECORDS, limits)
    if not widths:
        raise UnreadableError("empty", "expected rows, found none")
    width = _usual(widths)
    longer = [w for w in widths if w > width]
    if width > 1 and sum(widths[w] for w in longer) > _LONG_ROWS * n_rows:
        width = max(longer)
    check_width(width, limits)
    return width, n_rows, widths[width]


def preamble(head: list[list[str]], width: int) -> int:
    """How many records stand before the table: titles, notes and comments."""
    filled = [sum(bool(cell and cell.strip()) for cell in record) for record in head]
    for n, record in enumerate(head):
        comment = record[0].startswith("#") and len(record) != width
        short = len(record) < width / 2 or (width == 2 and len(record) == 1 and n < 10)
        sparse = width >= 3 and filled[n] <= max(1, width // 3)
        # These are titles only when a full record follows: data may be sparse as well.
        titled = sparse or len(record) < width - 1
        titled = titled and any(f >= 0.8 * width for f in filled[n + 1 : n + 20])
        if not (comment or short or titled):
            return n
    return 0


def _chain(head: list[list[str]], records: Iterator[list[str]]) -> Iterator[list[str]]:
    yield from head
    yield from records


def _assemble(records: Iterator[list[str]], width: int) -> tuple[pl.DataFrame, int]:
    """The records as string columns, and how many were left out for being too long."""
    chunks, rows, dropped = [], list[list[str]](), 0
    chunk_rows = max(1, _CHUNK_CELLS // width)
    blank = [""] * width
    for record in records:
        n = len(record)
        if n < width:
            record += blank[n:]  # noqa: PLW2901
        elif n > width:
            if any(cell.strip() for cell in record[width:]):
                dropped += 1
                continue
            del record[width:]
        rows.append(record)
        if len(rows) == chunk_rows:
            chunks.append(text_frame(rows, width))
            rows = []
    chunks.append(text_frame(rows, width))
    return pl.concat(chunks, rechunk=True), dropped


def text_frame(rows: Sequence[Sequence[str | None]], width: int) -> pl.DataFrame:
    """Rows of equal length as string columns `0` to `width - 1`."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in range(width))
    return pl.DataFrame([pl.Series(str(n), column, pl.String) for n, column in enumerate(columns)])


def without_footer(rows: pl.DataFrame) -> pl.DataFrame:
    """Drop rows without any filled cell, and notes below a table of three columns or more."""
    if rows.width == 0:
        return rows
    blank = pl.all().str.strip_chars().fill_null("").eq("")
    filled = rows.select(pl.sum_horizontal(~blank)).to_series()
    kept = rows.filter(filled > 0)
    filled = filled.filter(filled > 0)
    if rows.width >= 3:
        full = (filled > 1).arg_true()
        last = full[-1] + 1 if len(full) else kept.height
        kept = kept.head(last)
    return kept
