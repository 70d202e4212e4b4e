"""How texts become values: numbers with separators and signs, dates in several formats, words for true and false.

A `Form` is found once, from all values of a column, and kept in the schema, so that new rows are read alike.
Every form is a polars expression: a column is read without a Python loop over its rows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Literal

import polars as pl

# Words that stand for "missing" among values of another kind. In a column of words they stay words.
MISSING_WORDS = ("na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "#null!", "(null)", "\\n", "none", "nil", "nat", "?", "-", "--", ".",
                 "missing", "unknown", "#div/0!", "#value!")  # fmt: skip
TRUE_FALSE = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"))
# One symbol a column: amounts in two currencies are not one number. Longer ones first, so that US$ is not read as $.
AFFIXES = ("US$", "A$", "C$", "R$", "USD", "EUR", "GBP", "CHF", "JPY", "INR", "$", "€", "£", "¥", "₹", "₽", "₩", "%")
_SPACES = "[ \u00a0\u2009\u202f]"  # what typesetters put between thousands

# Date formats: name -> the shape that it must have. The shape keeps chrono from reading 5/3/21 as the year 21.
DATES = {
    "%Y-%m-%d": r"\d{4}-\d{1,2}-\d{1,2}",
    "%Y/%m/%d": r"\d{4}/\d{1,2}/\d{1,2}",
    "%Y.%m.%d": r"\d{4}\.\d{1,2}\.\d{1,2}",
    "%d.%m.%Y": r"\d{1,2}\.\d{1,2}\.\d{4}",
    "%m/%d/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d/%m/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d-%m-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%m-%d-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%d.%m.%y": r"\d{1,2}\.\d{1,2}\.\d{2}",
    "%m/%d/%y": r"\d{1,2}/\d{1,2}/\d{2}",
    "%d/%m/%y": r"\d{1,2}/\d{1,2}/\d{2}",
    "%d %B %Y": r"\d{1,2} [A-Za-z]{3,9} \d{4}",
    "%d-%B-%Y": r"\d{1,2}-[A-Za-z]{3,9}-\d{4}",
    "%d-%B-%y": r"\d{1,2}-[A-Za-z]{3,9}-\d{2}",
    "%B %d, %Y": r"[A-Za-z]{3,9} \d{1,2}, \d{4}",
    "%B %d %Y": r"[A-Za-z]{3,9} \d{1,2} \d{4}",
    "%Y-%m": r"\d{4}-\d{1,2}",
    "%Y%m%d": r"(?:19|20)\d{6}",
}
# The same shape, day or month first: which of the two is right is found from all values. First: taken when nothing tells
# (a slash is the American way, which puts the month first).
TWINS = (("%m/%d/%Y", "%d/%m/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%m/%d/%y", "%d/%m/%y"))
_WEEKDAY = r"^(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+"
_TIME = r"^(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*([AaPp][Mm])?\s*(?:(Z|UTC|GMT)|([+-])(\d{2}):?(\d{2}))?$"


@dataclass(frozen=True, slots=True)
class Form:
    """How the texts of a column are read.

    number: `group` between thousands ("" for none), `decimal` mark, `affix` a currency or per cent sign.
    datetime: `formats`, tried in order. boolean: the words for `true` and `false`, compared without case.
    """

    kind: Literal["number", "datetime", "boolean"]
    group: str = ""
    decimal: str = "."
    affix: str = ""
    formats: tuple[str, ...] = ()
    true: str = ""
    false: str = ""

    @property
    def plain(self) -> bool:
        """Whether this is how every program writes numbers, which needs no mention."""
        return self == Form("number")

    def read(self, text: pl.Expr) -> pl.Expr:
        """Texts -> Float64, Datetime("us") or Boolean; null where a text has another form. Infinity and NaN are read as such."""
        if self.kind == "number":
            return self._number(text)
        if self.kind == "boolean":
            word = text.str.strip_chars().str.to_lowercase()
            return pl.when(word == self.true).then(True).when(word == self.false).then(False).otherwise(None)
        return self._datetime(text)

    def _number(self, text: pl.Expr) -> pl.Expr:
        if self.plain:
            return text.str.strip_chars().cast(pl.Float64, strict=False)
        body = text.str.strip_chars().str.replace_all("−", "-", literal=True)
        if self.affix:
            # The sign may stand on either side of a currency: -$5 and $-5.
            body = body.str.replace(self.affix, "", literal=True).str.strip_chars().str.replace(r"^([+-])\s+", "${1}")
        group = _SPACES if self.group == " " else "['’]" if self.group == "'" else _escaped(self.group)
        decimal = _escaped(self.decimal)
        # Groups of three after the last mark; Indian amounts have groups of two before it. 0,125 is no thousand.
        grouped = rf"[1-9]\d{{0,2}}(?:{group}\d{{2,3}})*{group}\d{{3}}|" if self.group else ""
        shape = rf"^[+-]?(?:(?:{grouped}\d+)(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d{{1,3}})?$"
        digits = body.str.replace_all(group, "") if self.group else body
        digits = digits.str.replace(self.decimal, ".", literal=True) if self.decimal != "." else digits
        return pl.when(body.str.contains(shape)).then(digits).otherwise(None).cast(pl.Float64, strict=False)

    def _datetime(self, text: pl.Expr) -> pl.Expr:
        body = text.str.strip_chars().str.replace(_WEEKDAY, "")
        parts = body.str.extract_groups(r"^(.*?)(?:(?:[T ]|, )\s*(\d{1,2}:\d{2}.*))?$")
        date, time = parts.struct[0], parts.struct[1]
        day = pl.coalesce([_date(date, name) for name in self.formats])
        return day + _time(time)

    def text(self) -> str:
        """The form as a short JSON text, for the schema."""
        default = Form(self.kind)
        return json.dumps({k: v for k, v in asdict(self).items() if k == "kind" or v != getattr(default, k)}, ensure_ascii=False)

    @classmethod
    def parse(cls, text: str) -> Form:
        """The form of `text()`."""
        values = json.loads(text)
        return cls(**{**values, "formats": tuple(values.get("formats", ()))})

    def described(self) -> str:
        """What was unusual, for a note: `thousands separators ','`."""
        if self.kind == "datetime":
            return "dates as " + ", ".join(self.formats)
        said = []
        if self.group:
            said.append(f"thousands separators {self.group!r}")
        if self.decimal == ",":
            said.append("decimal commas")
        if self.affix:
            said.append("per cent signs" if self.affix == "%" else f"the sign {self.affix!r}")
        return " and ".join(said)


def filled(text: pl.Expr) -> pl.Expr:
    """Whether a text is there: neither null nor blank."""
    return text.str.strip_chars().str.len_bytes() > 0


def missing_word(text: pl.Expr) -> pl.Expr:
    """Whether a text is a word for "missing"."""
    return text.str.strip_chars().str.to_lowercase().is_in(list(MISSING_WORDS))


def infinite_word(text: pl.Expr) -> pl.Expr:
    """Whether a text says infinity, in words or by a number beyond float64."""
    return text.str.strip_chars().cast(pl.Float64, strict=False).is_infinite().fill_null(False)


def number_forms(sample: pl.Series, separator: str = ",") -> list[Form]:
    """The number forms that most of the sample can have, likeliest first. A semicolon between fields speaks for decimal commas."""
    texts = sample.str.strip_chars()
    affixes = [affix for affix in AFFIXES if texts.str.contains(affix, literal=True).mean() > 0.9]  # type: ignore[operator]
    affix = affixes[0] if affixes else ""
    comma_first = separator in ";\t"
    english = [Form("number", ",", ".", affix)]
    decimal = [Form("number", "", ",", affix)]
    rest = [
        Form("number", ".", ",", affix),
        Form("number", " ", ".", affix),
        Form("number", " ", ",", affix),
        Form("number", "'", ".", affix),
    ]
    return [Form("number", "", ".", affix), *(decimal + english if comma_first else english + decimal), *rest]


def date_forms(sample: pl.Series, digits: bool) -> list[str]:
    """The date formats that at least one text of the sample has; eight digits are a date only where `digits` says so."""
    dates = sample.str.strip_chars().str.replace(_WEEKDAY, "").str.replace(r"(?:[T ]|, )\s*\d{1,2}:\d{2}.*$", "")
    shapes = [(name, shape) for name, shape in DATES.items() if digits or name != "%Y%m%d"]
    return [name for name, shape in shapes if dates.str.contains(f"^(?:{shape})$").any()]


def _date(text: pl.Expr, name: str) -> pl.Expr:
    shaped = pl.when(text.str.contains(f"^(?:{DATES[name]})$")).then(text).otherwise(None)
    if name == "%Y-%m":
        return (shaped + "-01").str.to_datetime("%Y-%m-%d", strict=False, time_unit="us")
    return shaped.str.to_datetime(name, strict=False, time_unit="us")


def _time(text: pl.Expr) -> pl.Expr:
    """Hours, minutes and seconds as a duration, zones taken off (so the sum is UTC); null where the text is no time of day."""
    hour, minute, second, fraction, half, _, sign, zone_hour, zone_minute = (text.str.extract(_TIME, i) for i in range(1, 10))
    h, m, s = (part.cast(pl.Int64, strict=False).fill_null(0) for part in (hour, minute, second))
    micro = (pl.lit("0.") + fraction).cast(pl.Float64, strict=False).fill_null(0.0) * 1e6
    afternoon = half.str.to_lowercase() == "pm"
    h = pl.when(half.is_null()).then(h).when(afternoon).then(h % 12 + 12).otherwise(h % 12)
    offset = (zone_hour.cast(pl.Int64, strict=False) * 60 + zone_minute.cast(pl.Int64, strict=False)).fill_null(0)
    offset = pl.when(sign == "-").then(-offset).otherwise(offset)
    span = pl.duration(hours=h, minutes=m - offset, seconds=s, microseconds=micro.round().cast(pl.Int64), time_unit="us")
    legal = text.str.contains(_TIME) & (h < 24) & (m < 60) & (s <= 60)
    return pl.when(text.is_null()).then(pl.duration(time_unit="us")).when(legal).then(span).otherwise(None)


def _escaped(mark: str) -> str:
    return reduce(lambda text, sign: text.replace(sign, "\\" + sign), ".", mark)
