"""The configuration that a release was made with, so that anybody can make it again.

Takes the resolved configuration; writes `config.json`, keys sorted. What may stand in it (no paths,
credentials or endpoints) is decided by `flows/settings.py`, not here.
"""

import json

from publish.writer import ReleaseContents, TextWriter


class Configuration(TextWriter):
    """Writes `config.json`."""

    name = "config.json"
    order = 100

    def text(self, contents: ReleaseContents) -> str:
        """JSON that a person can read."""
        configuration = contents.configuration
        return json.dumps(configuration, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
