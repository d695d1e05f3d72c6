"""The field of life that a dataset is about, for browsing and balance.

Takes the tags, title and description of a source, returns one of ten domains by counting keywords
as whole words, tags above the title above the description. It is a label for people, not
a measurement: a dataset about two things gets one of them.
"""

import re
from typing import Literal

from extract.dataset import RawDataset

Domain = Literal[
    "agriculture",
    "automotive",
    "business",
    "education",
    "environment",
    "finance",
    "health",
    "sports",
    "technology",
    "other",
]

_WEIGHTS = {"tags": 4, "title": 3, "description": 1}
_WORDS: dict[Domain, str] = {
    "agriculture": "agriculture agricultural crop crops farm farming farmer farmers soil livestock"
    " cattle harvest irrigation fertilizer wheat maize rice plant plants seed seeds",
    "automotive": "automotive automobile automobiles car cars vehicle vehicles truck trucks"
    " motorcycle motorcycles engine mpg mileage driver drivers parking",
    "business": "business retail sales store stores shopping customer customers marketing"
    " e-commerce ecommerce order orders product products supplier warehouse inventory employee"
    " employees employment manufacturing restaurant hotel",
    "education": "education school schools student students university universities college"
    " colleges exam exams teacher teachers course courses academic grade grades",
    "environment": "environment environmental climate weather pollution air water ocean river"
    " rainfall temperature emission emissions earthquake earthquakes forest wildlife"
    " energy electricity solar wind",
    "finance": "finance financial stock stocks bank banking loan loans credit investing"
    " investment economics currency cryptocurrency insurance fraud price index inflation gdp",
    "health": "health healthcare medical medicine disease diseases patient patients hospital"
    " cancer diabetes heart clinical covid covid19 covid-19 drug drugs nutrition wellness"
    " mortality vaccine",
    "sports": "sports sport football soccer basketball baseball cricket tennis hockey player"
    " players league team teams match matches olympic olympics",
    "technology": "technology computer software internet programming network networks server"
    " servers mobile phone phones smartphone game games gaming app apps artificial-intelligence"
    " electronics semiconductor robot robots bot bots",
}
_DOMAIN_OF = {word: domain for domain, words in _WORDS.items() for word in words.split()}


def domain(source: RawDataset) -> Domain:
    """The domain with the highest count; ties go by name, no keyword at all is `other`."""
    texts = {
        "tags": " ".join(source.tags),
        "title": f"{source.title} {source.subtitle}",
        "description": source.description,
    }
    counts: dict[Domain, int] = {}
    for part, text in texts.items():
        # Each word counts once, however often a description repeats it.
        for word in set(re.findall(r"[a-z0-9-]+", text.lower())):
            if word in _DOMAIN_OF:
                name = _DOMAIN_OF[word]
                counts[name] = counts.get(name, 0) + _WEIGHTS[part]
    return min(counts, key=lambda name: (-counts[name], name), default="other")
