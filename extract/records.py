"""The files that stand beside the data of a dataset in Kaggle's own layout.

A name here is never a data file: what a dataset brings under such a name is left out.
"""

METADATA = "dataset-metadata.json"
"""What the metadata call answers: title, description, licences."""
LIST_RECORD = "list-record.json"
"""One record of the list call: version, last update, licence as display text."""
FILES_RECORD = "files-record.json"
"""What the file list call answers."""
FETCH_RECORD = "fetch-record.json"
"""What a fetch brought: version, and every file with its SHA-256. Written last."""

RECORDS = frozenset({METADATA, LIST_RECORD, FILES_RECORD, FETCH_RECORD})
