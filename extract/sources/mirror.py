"""A source that is a directory in Kaggle's own layout, `<owner>/<slug>/`.

Takes the directory; lists its datasets and reads each as it lies there (`kaggle/layout.py`). Not
guaranteed: that nobody changes the directory while it is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import ValidationError

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.kaggle.layout import listed_version, read_listing
from extract.source import Flaw, Listing, Opening, Source, SourceKind

_REPAIR = "use --mirror DIR (make: MIRROR=DIR)"


class MirrorSource(Source):
    """Datasets of one mirror directory."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def refs(self) -> tuple[DatasetRef, ...]:
        """All `<owner>/<slug>/` with a usable name, sorted; the version is the list record's."""
        refs = []
        for folder in sorted(self.root.glob("*/*/")):
            # A link may lead to a version that a fetch keeps, but not out of the mirror.
            if not folder.resolve().is_relative_to(self.root):
                continue
            try:
                ref = DatasetRef(owner=folder.parent.name, slug=folder.name)
            except ValidationError:
                continue
            refs.append(ref.model_copy(update={"version": listed_version(folder)}))
        return tuple(sorted(refs, key=lambda ref: (ref.owner, ref.slug)))

    def fetch(self, ref: DatasetRef) -> Listing | Drop:
        """Files and metadata of one dataset; wrong metadata is a `bad_metadata` drop."""
        return read_listing(self.root / ref.owner / ref.slug, ref)


class MirrorConfig(SourceKind):
    """A directory that the user names."""

    kind: ClassVar[str] = "mirror"
    empty_advice: ClassVar[str] = (
        "no dataset in {folder}: expected <owner>/<slug>/dataset-metadata.json beside the files"
    )

    def flaw(self, mirror: Path | None) -> Flaw | None:
        """The directory must be there."""
        if mirror is None:
            return Flaw("source.mirror names no directory", _REPAIR)
        if not mirror.is_dir():
            return Flaw(f"source.mirror is {mirror}, which is no directory", _REPAIR)
        return None

    @contextmanager
    def open(self, opening: Opening) -> Iterator[Source]:
        """Nothing is held."""
        yield MirrorSource(opening.folder)
