"""Words in column names that tip the scale, in several languages.

Takes a column name, returns its words or whether they stand in a lexicon. Names never decide alone:
each reader also asks the data. All words are lower case and are compared
with the words of a column name; long ones also at the end of run-together words: `onpromotion`.
Not guaranteed: completeness, or that a name tells the truth.
"""

import re

_LONG = 7
"""Letters from which a word is also looked for at the end of longer words."""


def words(name: str) -> tuple[str, ...]:
    """A column name as lower-case words: `IsSpecialDay_2` is is, special, day, 2."""
    # Words part at aB, at the B of ABc, and between letters and digits.
    spaced = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", spaced)
    return tuple(re.findall(r"[^\W_]+", spaced.casefold()))


def lexicon(*lines: str) -> frozenset[str]:
    """The words of some lines."""
    return frozenset(" ".join(lines).split())


IDENTIFIER = lexicon(
    "id ids uid uuid guid key index idx no nr num serial sno rownames rownum row pk sku isbn ean",
    "upc barcode hash token code codigo código codice kod kodu identifier transaction transacao",
    "transação rank unnamed",
)
COUNTED = lexicon("no nr num number index key code rank row")
"""Words of `IDENTIFIER` that only name something at the end: `S.No`, not `no_of_owners`."""

NOMINAL = lexicon(
    "shop store branch region city customer product item sku category zip zipcode postal postcode",
    "department dept warehouse plant site route vehicle station district county state country",
    "seller vendor supplier merchant terminal loja tienda sucursal magasin filiale laden mağaza",
)
"""Whole numbers under such a name are codes when it stands last."""

PERSON_NAME = lexicon("name names nome nombre nom fullname firstname lastname surname isim имя")
PERSON = lexicon(
    "user customer client patient employee student person contact vorname nachname prenom prénom",
    "sobrenome apellido apellidos cognome soyad soyadı фамилия cliente paciente kunde müşteri",
)
NAME_PART = PERSON | lexicon("first last full given family middle maiden")
CONTACT = lexicon(
    "email mail phone telephone telefon telefone telefono téléphone mobile cellphone whatsapp ssn",
    "passport passaporte pasaporte iban cpf dni birthdate dateofbirth dob birthday birth",
    "nascimento nacimiento geburtsdatum naissance street address endereço direccion dirección",
    "adresse username login password",
)

PLANNED = lexicon(
    "holiday holidays feriado feriados festivo festivos feiertag feiertage ferien vacances férié",
    "feries vacation bayram tatil праздник promo promos promotion promotions promoção promocao",
    "promocion promoción aktion kampanya campaign campanha campaña coupon markdown schoolday",
)
OCCASION = lexicon(
    "special event events evento eventos scheduled schedule planned closed closure",
)
"""Weaker than `PLANNED`: believed of flags only."""
PRICED = lexicon(
    "price prices precio preço preco preis prix prezzo fiyat discount discounts descuento desconto",
    "rabatt remise sconto indirim",
)
SOLD = lexicon(
    "units unit qty quantity quantities sold sales sale demand orders cantidad quantidade menge",
    "quantité quantità adet satış vendas ventas verkauf",
)
YEAR = lexicon("year yr jahr année annee anno año ano yil yıl год")
PLACE = lexicon("latitude longitude lat lon lng latitud longitud breitengrad längengrad")
MARKET = lexicon("open high low close adj volume ticker")

SUMMED = SOLD | lexicon(
    "amount amounts count counts total totals revenue revenues turnover profit cost costs money",
    "passengers visitors visits trips rides deaths cases births views clicks likes shares spend",
    "spending income expenses expense consumption production precipitation rain rainfall snowfall",
    "monto importe valor ingreso ingresos gasto montant betrag umsatz fatturato tutar miktar",
    "receita returned returns installs downloads volume casualties injuries fatalities",
)
AVERAGED = PRICED | lexicon(
    "rate ratio percent percentage pct share mean avg average median score rating index",
    "temperature temp humidity pressure speed level per density magnitude depth age",
    "latitude longitude lat lon lng capacity duration frequency",
)

TARGET = lexicon(
    "target label labels class outcome y result response churn churned default fraud fraude",
    "survived diagnosis disease price salary approved placed attrition risk severity success yield",
    "precio preço preis prix prezzo fiyat salario salaire gehalt maaş alvo objetivo ziel",
)
LIKELY = lexicon(
    "status score grade rating quality demand consumption category species type level sales",
    "revenue income amount duration rate",
)
"""Weaker than `TARGET`."""
AFTERWARDS = lexicon(
    "outcome outcomes result results after afterwards final finally resolved resolution closed",
    "cancelled canceled cancellation discharge discharged refunded settled confirmed predicted",
    "prediction predictions probability resultado ergebnis résultat sonuç",
)
"""What is known only when it is over."""


def is_code(name: str) -> bool:
    """Whether whole numbers of that name tell things apart rather than count them."""
    return bool(NOMINAL & set(words(name)[-1:]))


def mentions(name: str, lexicon: frozenset[str]) -> bool:
    """Whether a column name holds a word of the lexicon, or a long one at the end of a word."""
    own = words(name)
    if lexicon & set(own) or "".join(own) in lexicon:
        return True
    return any(word.endswith(long) for word in own for long in lexicon if len(long) >= _LONG)
