"""Which forecasts are about prices of assets: a crowd of such sources would drown all others.

Takes a source and a task's public spec, returns yes or no. Names decide, since the data of a market
looks like many other walks: columns such as open, high, low and close beside each other, or words
of a market in what the source says of itself while the target is called a price. Not guaranteed:
prices in languages and under names that nobody thought of.
"""

import re

from extract.dataset import RawDataset
from extract.evidence.vocabulary import lexicon, words
from transform.task import TaskSpec

_QUOTES = lexicon("open high low close adj vwap bid ask")
_ENOUGH_QUOTES = 3
"""Two such words stand beside each other in shops and weather too: open and close, high and low."""
_PRICES = lexicon(
    "price prices close closing open high low adj adjusted bid ask vwap quote rate last nav value",
    "return returns preco precio prix kurs fiyat volume",
)
_MARKETS = re.compile(
    r"\b(stocks?|shares? price|share prices?|equit(y|ies)|nasdaq|nyse|nifty|sensex|bist|s&p ?500|"
    r"dow jones|crypto\w*|bitcoin|btc|ethereum|eth|dogecoin|altcoins?|forex|fx rates?|"
    r"exchange rates?|currency pairs?|commodit(y|ies)|gold prices?|silver prices?|oil prices?|"
    r"etfs?|mutual funds?|futures|tickers?|ohlcv?|candlesticks?|acciones|bolsa|aktien|hisse)\b"
)


def is_asset_price(raw: RawDataset, spec: TaskSpec) -> bool:
    """Whether a task forecasts a price of something that is traded on a market."""
    instructions = spec.instructions
    if instructions.problem != "forecasting":
        return False
    named = {word for column in instructions.columns for word in words(column.name)}
    if len(named & _QUOTES) >= _ENOUGH_QUOTES:
        return True
    described = " ".join((raw.title, raw.subtitle, raw.ref.slug.replace("-", " "), *raw.tags))
    target = {word for name in instructions.targets for word in words(name)}
    is_market = _MARKETS.search(f"{described} {spec.table}".casefold()) is not None
    return is_market and bool(target & _PRICES or named & _QUOTES)
