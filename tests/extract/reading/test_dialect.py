"""Delimited text: encodings, delimiters, quotes, ragged rows, headers, what surrounds a table."""

import random

import polars as pl
import pytest

from extract.files.unreadable import UnreadableError
from extract.reading.dialect import decode, read_delimited
from extract.reading.header import split_header
from extract.reading.limits import ReadConfig

LIMITS = ReadConfig()


def table(text: str, limits: ReadConfig = LIMITS) -> tuple[list[str], list[tuple[str, ...]]]:
    rectangle = read_delimited(text, limits)
    headers, body = split_header(rectangle.rows)
    return headers, body.rows()


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"],
)
def test_encodings(encoding: str) -> None:
    text = "größe,café\n1,naïve\n"
    assert decode(text.encode(encoding)) == text


def test_windows_letters_and_a_few_broken_bytes() -> None:
    assert decode("“5 €”".encode("cp1252")) == "“5 €”"
    assert decode(b"\x81\xe9") == "\x81é"
    assert decode("é".encode() * 100 + b"\xe9") == "é" * 100 + "\ufffd"


def test_binary_is_refused() -> None:
    with pytest.raises(UnreadableError, match="binary"):
        decode(bytes(range(1, 9)) * 100)


def test_nul_bytes_are_left_out() -> None:
    assert decode(b"a,b\x00\n1,2\n" * 500) == "a,b\n1,2\n" * 500


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(delimiter: str, newline: str) -> None:
    rows = [["name", "note", "x"], ["a", "one, two", "1"], ["b", "three; | four", "2"]]
    lines = [delimiter.join(f'"{c}"' if " " in c else c for c in row) for row in rows]
    headers, body = table(newline.join(lines) + newline)
    assert headers == rows[0]
    assert body == [tuple(row) for row in rows[1:]]


def test_semicolons_with_decimal_commas() -> None:
    text = "a;b;c\n" + "".join(f"{n},5;{n},25;{n}\n" for n in range(30))
    headers, body = table(text)
    assert headers == ["a", "b", "c"]
    assert body[0] == ("0,5", "0,25", "0")


def test_quotes() -> None:
    text = 'a,b\n"x ""y""\nz, w",1\n"",2\n'
    assert table(text) == (["a", "b"], [('x "y"\nz, w', "1"), ("", "2")])


def test_thousands_in_quotes_are_no_columns() -> None:
    text = "team,crowd,x\n" + "".join(f'"t{n}","{n},123",{n}\n' for n in range(50))
    headers, body = table(text)
    assert headers == ["team", "crowd", "x"]
    assert body[7] == ("t7", "7,123", "7")


def test_backslashes_before_quotes() -> None:
    text = "a,b,c\n" + "".join(f'1,"say \\"no, {n}\\", so",{n}\n' for n in range(20))
    assert table(text)[1][3] == ("1", 'say "no, 3", so', "3")


def test_a_quote_that_never_closes() -> None:
    text = "a,b,c\n" + "".join(f'{n},6" pipe,{n}\n' for n in range(30)) + '"oops,1,2\n' * 3
    headers, body = table(text)
    assert headers == ["a", "b", "c"]
    assert body[0] == ("0", '6" pipe', "0")


def test_a_swallowed_file_is_read_without_quotes() -> None:
    good = "".join(f"{n},word,{n}\n" for n in range(100_000))
    _, body = table("a,b,c\n" + good + '1,"open,2\n' + good)
    assert len(body) == 200_001


def test_declared_delimiter_and_spaces_after_commas() -> None:
    assert table("sep=;\na;b\n1;2\n3;4\n")[0] == ["a", "b"]
    assert table("a, b\n1, x\n2, y\n") == (["a", "b"], [("1", "x"), ("2", "y")])


def test_columns_of_spaces() -> None:
    lines = "".join(f'  {n}.5   {n * 7}\t 3   "car {n}" \n' for n in range(20)).replace("\t", " ")
    headers, body = table(lines)
    assert len(headers) == 4
    assert body[2] == ("2.5", "14", "3", "car 2")


def test_ragged_rows() -> None:
    text = "a,b,c\n" + "1,2,3\n" * 30 + "1\n1,2\n1,2,3,,\n1,2,3,4\n" + "1,2,3\n" * 30
    rectangle = read_delimited(text, LIMITS)
    _, body = split_header(rectangle.rows)
    assert body.rows()[30:33] == [("1", "", ""), ("1", "2", ""), ("1", "2", "3")]
    assert body.height == 63
    assert rectangle.note.startswith("1 of 65 rows")


def test_longer_rows_throughout_widen_the_table() -> None:
    text = "a,b,c\n" + "1,2,3\n" * 30 + "1,2,3,4\n" * 5
    headers, body = table(text)
    assert headers == ["a", "b", "c", ""]
    assert body[-1] == ("1", "2", "3", "4")


def test_titles_above_and_notes_below() -> None:
    text = (
        '"Data Source","Somebody",\n\n"Last Updated","2024-01-01",\n\n'
        "Country,Code,2001,2002,2003\n"
        + "".join(f"C{n},X{n},{n},{n + 1},{n + 2}\n" for n in range(20))
        + "\n\nSource: somebody,,,,\n"
    )
    headers, body = table(text)
    assert headers == ["Country", "Code", "2001", "2002", "2003"]
    assert (body[0], len(body)) == (("C0", "X0", "0", "1", "2"), 20)
    assert table("# made by hand\n# twice\na,b\n1,2\n3,4\n")[0] == ["a", "b"]


@pytest.mark.parametrize(
    ("first", "line", "headed"),
    [
        ("5.1,3.5,A", "4.9,3.{},A", False),
        ("2020-01-01,17", "2020-01-02,{}", False),
        ("p,x,s", "p,x,s{}", False),
        ("country,1990,1991,1992", "C{},5,6,7", True),
        ("0,1,2,3", "{},5,6,7", True),
        ("city,1/22/20,1/23/20,1/24/20", "C{},0,1,2", True),
        (",value", "{},7.5", True),
        ("name,colour", "n{},red", True),
        ("x", "{}", True),
    ],
)
def test_headers(first: str, line: str, headed: bool) -> None:
    lines = [line.format(n % 7) for n in range(40)]
    headers, body = table("\n".join([first, *lines]) + "\n")
    assert headers == (first.split(",") if headed else [""] * len(headers))
    assert len(body) == 40 + (not headed)


def test_units_under_the_header_and_repeats_of_it() -> None:
    text = "Price,Close,Close\nTicker,AA,BB\nDate,,\n"
    text += "".join(f"2020-01-{n:02d},{n},{n}.5\n" for n in range(1, 29))
    headers, body = table(text)
    assert headers == ["Price Ticker Date", "Close AA", "Close BB"]
    assert body[0] == ("2020-01-01", "1", "1.5")
    repeated = table("a,b\n1,x\na,b\n2,y\n")
    assert repeated == (["a", "b"], [("1", "x"), ("2", "y")])


def test_row_names_of_r() -> None:
    headers, body = table('"x","y"\n"1",5,6\n"2",7,8\n"3",9,1\n')
    assert (headers, body[0]) == (["", "x", "y"], ("1", "5", "6"))


def test_limits() -> None:
    with pytest.raises(UnreadableError, match="too_many_columns"):
        table(",".join(map(str, range(100_000))) + "\n" + ",".join("1" * 100_000) + "\n")
    with pytest.raises(UnreadableError, match="too_many_rows"):
        table("a,b\n" + "1,2\n" * 1000, ReadConfig(max_rows=100))
    with pytest.raises(UnreadableError, match="empty"):
        table("\n\n")


def test_no_text_breaks_reading() -> None:
    rng = random.Random(5)
    for _ in range(400):
        text = "".join(rng.choices('ab1,;|\t"\n\r .\\#-\x01é', k=rng.randrange(1, 60)))
        try:
            rectangle = read_delimited(text, LIMITS)
        except UnreadableError:
            continue
        headers, body = split_header(rectangle.rows)
        assert len(headers) == body.width
        assert all(dtype == pl.String for dtype in body.dtypes)
