"""The formats of data files, by the end of their names."""

from typing import Literal

Format = Literal["csv", "jsonl", "parquet"]
Compression = Literal["", "gz", "zst"]

FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".parq": "parquet",
    ".pq": "parquet",
}
SHOWN = "csv, tsv, jsonl or ndjson (also .gz and .zst), parquet, parq or pq"


def format_of(name: str) -> Format | None:
    """The format of a file, or None if its name has no known end; case does not matter."""
    stem, compression = split_compression(name)
    file_format = next((each for suffix, each in FORMATS.items() if stem.endswith(suffix)), None)
    return None if file_format == "parquet" and compression else file_format


def compression_of(name: str) -> Compression:
    """How the whole file is compressed; parquet compresses within the file."""
    return split_compression(name)[1]


def is_tab_separated(name: str) -> bool:
    return split_compression(name)[0].endswith(".tsv")


def split_compression(name: str) -> tuple[str, Compression]:
    """The name in lower case without the end that names a compression, and that compression."""
    lower = name.lower()
    for compression in ("gz", "zst"):
        if lower.endswith(f".{compression}"):
            return lower.removesuffix(f".{compression}"), compression
    return lower, ""
