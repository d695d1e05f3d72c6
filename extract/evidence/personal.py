"""Columns that tell who somebody is, found by what stands in their cells.

Takes the tables of a dataset, returns the columns with the kind of what they hold, and whether a
table is a directory of people. Names of columns are asked only where cells alone cannot tell a
birthday from another day. Public people and invented ones look like everybody else here; what is
left out of tasks column by column, `roles.py` decides.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from extract.dataset import Column, RawDataset, Table
from extract.drop import Reason
from extract.evidence.issue import Issue
from extract.evidence.near_duplicates.columns import read_columns, share_of, value_kind
from extract.evidence.vocabulary import lexicon, words
from extract.noun import Noun

PersonalKind = Literal["email", "phone", "national id", "card number", "birth date", "home address"]
_PRIVATE: frozenset[PersonalKind] = frozenset({"national id", "card number", "birth date"})
"""Kinds that only people have; companies too have telephones and addresses."""

_MOST_KINDS = 1
"""In one table; columns of one kind alone are left out, and the others tell nobody."""

_EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,190}\.[a-z]{2,}$"
# With a country code, an area code in brackets or a leading zero; or North American.
_PHONE = (
    r"^(?:\+\d{1,3}[-. (]*\d|\(\d{2,4}\)|0\d)[-. /()\dx]{6,20}$|^\d{3}[-.]\d{3}[-.]\d{4}(?:x\d+)?$"
)
# Social security numbers of the United States, the Brazilian CPF, and IBAN.
_NATIONAL = r"^\d{3}-\d{2}-\d{4}$|^\d{3}\.\d{3}\.\d{3}-\d{2}$|^[a-z]{2}\d{2}[a-z0-9]{11,30}$"
_CARD = r"^(?:\d{4}[ -]){3}\d{1,7}$|^[3-6]\d{12,18}$"
_ADDRESS = r"^\d{1,6}[a-z]? [\w .'-]{3,60}|^[\w .'-]{3,60} \d{1,5}[a-z]?(?:,|$)"
_TEXTS: dict[PersonalKind, str] = {
    "email": _EMAIL,
    "phone": _PHONE,
    "national id": _NATIONAL,
    "card number": _CARD,
}
_SHARE = 0.6
"""Of the different values that must look like the kind: columns are filled in by hand."""
_FEWEST = 20
"""Different values below which a column tells of an organisation, or of nobody."""
_BIRTH = lexicon("dob birthdate birthday dateofbirth nascimento nacimiento geburtsdatum")
_STREET = lexicon("address street endereço direccion dirección adresse indirizzo adres")
_PHONES = lexicon("phone telephone mobile cell telefon telefone telefono tel cellphone")


class PersonalColumn(Noun):
    """A column with personal data."""

    table: str
    column: str
    kind: PersonalKind


def personal_columns(raw: RawDataset) -> tuple[PersonalColumn, ...]:
    """All such columns, in the order of tables and columns."""
    return tuple(
        PersonalColumn(table=table.name, column=column.name, kind=kind)
        for table in raw.tables
        for column in table.columns
        if (kind := _kind(table, column)) is not None
    )


def directory_of_people(columns: Sequence[PersonalColumn], tables: Sequence[Table]) -> Issue | None:
    """The first table that tells who people are: several kinds of data, one only people's."""
    for table in tables:
        kinds = {column.kind for column in columns if column.table == table.name}
        if len(kinds) > _MOST_KINDS and kinds & _PRIVATE:
            return Issue(
                name="people",
                detail=f"table {table.name} tells who people are",
                evidence="; ".join(f"{c.table}.{c.column}: {c.kind}" for c in columns),
                reason=Reason.PERSONAL_DATA,
            )
    return None


def _kind(table: Table, column: Column) -> PersonalKind | None:
    name = frozenset(words(column.name)) | {"".join(words(column.name))}
    birth = bool(name & _BIRTH) or {"birth", "date"} <= name
    if column.type == "date" and birth:
        return "birth date"
    if value_kind(column) == "number" and not name & _PHONES:
        return None
    if value_kind(column) == "time":
        return None
    values = read_columns(table, [column.name]).to_series().drop_nulls().unique(maintain_order=True)
    if len(values) < _FEWEST:
        return None
    if values.dtype != pl.String:
        # Ten digits and more under that name; counts of phones are small.
        return "phone" if share_of(values.is_between(1e9, 1e15)) > _SHARE else None
    return _text_kind(values, bool(name & _STREET), bool(name & _PHONES))


def _text_kind(values: pl.Series, street: bool, phone: bool) -> PersonalKind | None:
    for kind, pattern in _TEXTS.items():
        # Many codes look like telephone numbers.
        if kind == "phone" and not phone:
            continue
        if share_of(values.str.contains(pattern)) > _SHARE:
            return kind
    if street and share_of(values.str.contains(_ADDRESS)) > _SHARE:
        return "home address"
    return None
