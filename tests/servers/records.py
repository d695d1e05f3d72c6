"""List records of datasets that nobody has, for crawls of many thousands.

The same `n` and `seed` give the same records, and `made_records(n)` begins as `made_records(m)`
does. Shares of licences, tags and sizes are plausible, not measured.
"""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

_LICENCES = {
    "CC0: Public Domain": 28,
    "Unknown": 24,
    "Apache 2.0": 12,
    "MIT": 10,
    "CC BY-NC-SA 4.0": 6,
    "Attribution 4.0 International (CC BY 4.0)": 5,
    "CC BY-SA 4.0": 5,
    "Other (specified in description)": 3,
    "Database: Open Database, Contents: Database Contents": 3,
    "Database: Open Database, Contents: © Original Authors": 1,
    "Data files © Original Authors": 1,
    "GPL 2": 1,
    "GNU Affero General Public License 3.0": 1,
}
_TAGS = {
    "tabular": "data type > tabular",
    "image": "data type > image",
    "text": "data type > text",
    "time series analysis": "technique > time series analysis",
    "classification": "technique > classification",
    "regression": "technique > regression",
    "beginner": "audience > beginner",
    "business": "subject > people and society > business",
    "finance": "subject > people and society > business > finance",
    "health": "subject > health and fitness > health",
    "education": "subject > people and society > education",
    "football": "subject > health and fitness > exercise > sports > football",
    "music": "subject > arts and entertainment > music",
    "weather and climate": "subject > earth and nature > weather and climate",
    "energy": "subject > science and technology > energy",
    "transportation": "subject > people and society > transportation",
}
_TOPICS = (
    "air",
    "bank",
    "bus",
    "coffee",
    "flight",
    "home",
    "loan",
    "river",
    "shop",
    "song",
    "tree",
)
_NOUNS = ("prices", "quality", "ratings", "records", "reviews", "sales", "survey", "traffic")
_FIRST = datetime(2015, 1, 1, tzinfo=UTC)
_DAYS = 3_900


def made_records(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """`n` records as `ListDatasets` has them, with unique references."""
    rng = random.Random(f"records {seed}")
    return [_record(number, rng) for number in range(n)]


def _record(number: int, rng: random.Random) -> dict[str, Any]:
    topic, noun = rng.choice(_TOPICS), rng.choice(_NOUNS)
    owner = f"owner{rng.randrange(5_000)}"
    ref = f"{owner}/{topic}-{noun}-{number}"
    votes = int(rng.paretovariate(0.8)) - 1
    updated = _FIRST + timedelta(days=rng.randrange(_DAYS), seconds=rng.randrange(86_400))
    return {
        "id": 1_000_000 + number,
        "ref": ref,
        "title": f"{topic} {noun} {number}".capitalize(),
        "subtitle": f"{noun.capitalize()} of the {topic}, made up",
        "creatorName": owner.capitalize(),
        "creatorUrl": owner,
        "totalBytes": int(10 ** rng.uniform(3, 10)),
        "url": f"https://www.kaggle.com/datasets/{ref}",
        "lastUpdated": updated.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "downloadCount": 10 * votes + rng.randrange(50),
        "licenseName": rng.choices(tuple(_LICENCES), tuple(_LICENCES.values()))[0],
        "ownerName": owner.capitalize(),
        "ownerRef": owner,
        "kernelCount": votes // 3,
        "viewCount": 60 * votes + rng.randrange(400),
        "voteCount": votes,
        "currentVersionNumber": min(40, int(rng.paretovariate(1.5))),
        "usabilityRating": round(rng.choice((0.3, 0.5, 0.7, 0.9, 1.0)) - rng.random() / 10, 7),
        "tags": [_tag(name) for name in rng.sample(tuple(_TAGS), rng.randint(0, 4))],
    }


def _tag(name: str) -> dict[str, Any]:
    return {"ref": name, "name": name, "description": "", "fullPath": _TAGS[name]}
