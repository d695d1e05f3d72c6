"""The refusal of one file, or of one archive, raised where it is read."""


class UnreadableError(Exception):
    """A file that is not read; `reason` is a slug, `detail` says what was expected and found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
