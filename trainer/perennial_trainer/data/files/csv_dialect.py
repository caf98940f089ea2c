"""How a csv file is written: as `data.csv` says, else as its first lines show without doubt, else as usual."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from perennial_trainer.contract.data import CsvFormat
from perennial_trainer.contract.errors import RejectedTask
from perennial_trainer.data.schema import Columns
from perennial_trainer.data.values.numbers import NULL_WORDS, NumberFormat

SAMPLE = 1 << 18  # bytes that show how the file is written
LINES = 1000
SEPARATORS = (",", ";", "\t", "|")
NAMES = {"\t": "tab", " ": "space", "\u00a0": "no-break space", "\u202f": "narrow no-break space"}
_BOMS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SEP = re.compile(r'(?i)"?sep=([^\w"\r\n])"?(?:\r\n|\r|\n)')  # a line for Excel before the header
_DECIMAL_COMMA = re.compile(r"[+-]?([0-9. \u00a0\u202f']*,(?![0-9]{3}$)[0-9]*|(0?|[0-9]{4,}),[0-9]{3})")
_WESTERN = set("€£°²³µ§«»·ªº±½¼¾…\u2013\u2014\u2018\u2019\u201c\u201d\u00a0")  # signs in western texts


@dataclass(frozen=True)
class Dialect:
    """How one file is written; `names` are those of its header."""

    separator: str
    numbers: NumberFormat
    encoding: str
    null_values: tuple[str, ...]
    names: tuple[str, ...] = ()
    skipped: int = 0
    """Lines before the header."""

    @property
    def null_numbers(self) -> list[float]:
        """The null values that are numbers: -999 is also written -999.0."""
        numbers = [self.numbers.number(value, NumberFormat().number(value)) for value in self.null_values]
        return [number for number in numbers if number is not None]

    def describe(self) -> str:
        """What is unusual, for the log and the page; empty for a usual file."""
        parts = {
            "separator": None if self.separator == "," else self.separator,
            "decimal": None if self.numbers.decimal == "." else self.numbers.decimal,
            "thousands": self.numbers.thousands,
            "encoding": None if self.encoding == "utf-8" else self.encoding,
        }
        return ", ".join(f"{name} {NAMES.get(value, value)}" for name, value in parts.items() if value)


def recognise(sample: bytes, columns: Columns, is_tab_separated: bool = False) -> Dialect:
    """The dialect of a file that starts with the sample. Raises a RejectedTask: UnreadableFile."""
    settings = columns.csv
    encoding = settings.encoding or _encoding(sample)
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(sample).removeprefix("\ufeff")
    sep = _SEP.match(text)
    text = text[sep.end() :] if sep else text
    usual = sep[1] if sep else "\t" if is_tab_separated else ","
    separator = settings.separator or _separator(text, columns.names, usual)
    rows = _rows(text, separator, complete=len(sample) < SAMPLE)
    names = tuple(rows[0]) if rows else ()
    numeric = [*columns.features.numbers, *([columns.target] if columns.kind == "regression" else [])]
    places = [names.index(name) for name in numeric if name in names]
    values = [row[place].strip() for row in rows[1:] for place in places if place < len(row)]
    null_values = settings.null_values
    present = [value for value in values if value not in NULL_WORDS and value not in null_values]
    return Dialect(
        separator, _number_format(present, settings, separator), encoding, null_values, names, int(sep is not None)
    )


def _encoding(sample: bytes) -> str:
    """The encoding, where it is unmistakable; else a RejectedTask, UnreadableFile."""
    for bom, encoding in _BOMS.items():
        if sample.startswith(bom):
            return encoding
    head = sample[:4096]
    if head and head.count(0) > len(head) // 5:  # ASCII in two bytes each
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=False)
    except UnicodeDecodeError as error:
        if _is_western(sample):
            return "cp1252"
        line = sample.count(b"\n", 0, error.start) + 1
        raise RejectedTask(
            "UnreadableFile",
            f"line {line} is not UTF-8: say in data.csv.encoding how the file is written, or write it again as UTF-8",
        ) from error
    return "utf-8"


def _is_western(sample: bytes) -> bool:
    """Whether the sample is Latin-1 or Windows-1252: single letters with accents within ASCII words."""
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    special = re.findall(r"[^\x00-\x7f]+", text)
    in_words = re.search(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]", text)
    usual = all(len(run) <= 2 and all(each.isalpha() or each in _WESTERN for each in run) for run in special)
    return usual and in_words is not None


def _separator(text: str, needed: Sequence[str], usual: str) -> str:
    """The separator by which the header has the most of the needed columns; the usual one if several have as many."""
    order = [usual, *(each for each in SEPARATORS if each != usual)]

    def known(separator: str) -> int:
        header = next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
        return len(set(needed) & set(header))

    return max(order, key=known)  # the first of equal ones


def _rows(text: str, separator: str, complete: bool) -> list[list[str]]:
    """The first rows; the last one may be cut off and is left out, unless the text is complete."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            rows.append(row)
            if len(rows) > LINES:
                return rows
    except csv.Error:  # such as a field that never ends: reading the file says where
        return rows
    return rows if complete or len(rows) < 2 else rows[:-1]


def _number_format(values: Sequence[str], settings: CsvFormat, separator: str) -> NumberFormat:
    """The only format in which all values are numbers, and which some value needs; else the usual one."""
    if settings.decimal or settings.thousands:
        decimal = settings.decimal or ("," if settings.thousands == "." else ".")
        return NumberFormat(decimal, settings.thousands)
    usual = NumberFormat()
    if not values or _fits(usual, values):
        return usual
    candidates = [NumberFormat(","), NumberFormat(".", ",")]
    candidates += [NumberFormat(",", "."), *(NumberFormat(d, t) for t in " \u00a0\u202f'" for d in ".,")]
    best = [each for each in candidates if _share(each, values) > 0.5 and _needs(each, values)]
    if separator == ",":  # an unquoted decimal comma would separate two fields
        best = [each for each in best if each.decimal == "." or _needs_decimal(values)]
    # A format without thousands is read in every format with the same decimal sign: the one that reads most counts.
    best.sort(key=lambda each: (-_share(each, values), each.thousands is not None))
    if len(best) > 1 and _share(best[0], values) == _share(best[1], values) and best[0].decimal != best[1].decimal:
        return usual
    return best[0] if best else usual


def _share(style: NumberFormat, values: Sequence[str]) -> float:
    pattern = re.compile(style.pattern)
    return sum(pattern.match(value) is not None for value in values) / len(values)


def _fits(style: NumberFormat, values: Sequence[str]) -> bool:
    return _share(style, values) == 1


def _needs(style: NumberFormat, values: Sequence[str]) -> bool:
    """Whether some value can be read in this format alone: `1,5` has a decimal comma, `1,500` may have either."""
    if style.decimal == "," and style.thousands is None:
        return _needs_decimal(values)
    grouped = re.compile(rf"[+-]?[0-9]{{1,3}}([{style.thousands}][0-9]{{3}})+")
    twice = re.compile(
        rf"[+-]?[0-9]{{1,3}}([{style.thousands}][0-9]{{3}}){{2,}}|.*[{style.thousands}].*[{style.decimal}].*"
    )
    if style.thousands in (",", "."):  # it could be the decimal sign
        return any(twice.fullmatch(value) for value in values)
    return any(grouped.match(value) for value in values) and (style.decimal == "." or _needs_decimal(values))


def _needs_decimal(values: Sequence[str]) -> bool:
    """Whether a comma in some value cannot separate thousands: `1,5`, `0,125` and `1029,500`, but not `1,500`."""
    return any(_DECIMAL_COMMA.fullmatch(value) for value in values)
