"""How numbers, names and values are written, the same on the page, in the charts and on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

from goodfit.report.markup import clean

THIN = "\u202f"  # narrow no-break space between a number and its unit
MISSING = "–"


def is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def decimals_of(low: float, high: float) -> int:
    """Decimals that show one digit of half the interval's width, two where it begins with 1 or 2: more would be noise.

    >>> decimals_of(0.83, 0.86), decimals_of(0.866, 0.880), decimals_of(261.2, 275.9)
    (3, 3, 0)
    """
    half = abs(high - low) / 2
    if half == 0:
        return 3
    place = math.floor(math.log10(half))
    return min(9, max(0, -place + (half < 3 * 10.0**place)))


def number(value: Any, decimals: int | None = None) -> str:
    """A number: with `decimals` digits after the point, else with four significant digits and no useless zeros.

    >>> number(12345.678), number(0.00012345), number(-0.0004, 2)
    ('12,346', '0.0001234', '0.00')
    """
    if not is_number(value):
        return MISSING
    text = f"{value:,.{decimals}f}" if decimals is not None else _significant(float(value))
    if text.startswith("-"):
        text = text[1:] if not any(digit in text for digit in "123456789") else "−" + text[1:]
    return text


def _significant(value: float) -> str:
    if value == 0 or (value.is_integer() and abs(value) < 1e15):
        return f"{value:,.0f}"
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size >= 15:
        mantissa, _, exponent = f"{value:.3e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    text = f"{value:,.{max(0, 3 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: Any, decimals: int = 1) -> str:
    """A share between 0 and 1 as a percentage."""
    return f"{number(100 * share, decimals)}{THIN}%" if is_number(share) else MISSING


def count(value: Any, one: str = "", many: str | None = None) -> str:
    """A count, with its noun in the right number: `count(1, "row")` is `1 row`, `count(2, "row")` is `2 rows`."""
    written = f"{value:,.0f}" if is_number(value) else MISSING
    if not one:
        return written
    return f"{written} {one if value == 1 else many or one + 's'}"


def seconds(value: Any) -> str:
    """A duration: `0.3 s`, `42 s`, `4 min 12 s`, `2 h 5 min`."""
    if not is_number(value):
        return MISSING
    if value < 9.95 and value > 0:
        return f"{value:.1f}{THIN}s" if value >= 0.05 else f"{1000 * value:.0f}{THIN}ms"
    whole = round(value)
    if whole < 100:
        return f"{whole}{THIN}s"
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60}{THIN}s"
    return f"{whole // 3600:,}{THIN}h {whole % 3600 // 60}{THIN}min"


def large(value: Any) -> str:
    """A large count in short: `1.24 M`."""
    if not is_number(value):
        return MISSING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:.3g}{THIN}{unit}"
    return f"{value:,.0f}"


def bytes_(value: Any) -> str:
    """A size in memory, in units of 1,024."""
    if not is_number(value):
        return MISSING
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{value / 1024**power:.3g}{THIN}{unit}"
    return f"{value:.0f}{THIN}B"


def clip(text: Any, length: int) -> str:
    """The text on one line, at most `length` characters, the middle left out: ends tell long names apart."""
    line = " ".join(clean(str(text)).split())
    if len(line) <= length:
        return line
    tail = length // 3
    return f"{line[: length - tail - 1]}…{line[-tail:]}"


def named(text: Any, length: int) -> str:
    """A name that may be empty or blank, as it is shown: at most `length` characters, never nothing."""
    return clip(text, length) or "(empty)"


def labels(names: Sequence[Any], length: int) -> list[str]:
    """Clipped names, no two alike, for the axis of a chart."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        label = named(name, length)
        seen[label] = seen.get(label, 0) + 1
        while seen[label] > 1:
            numbered = f"{label} ({seen[label]})"
            if numbered not in seen:
                seen[numbered] = 1
                label = numbered
                break
            seen[label] += 1
        unique.append(label)
    return unique


def value(item: Any, length: int = 160) -> str:
    """A value out of the data as it is shown in a cell."""
    if item is None:
        return MISSING
    if isinstance(item, bool | str):
        return clip(item, length)
    if isinstance(item, int | float):
        return number(item) if not isinstance(item, int) else str(item)
    if isinstance(item, list | tuple):
        return clip(", ".join(value(part, length) for part in item), length) or "none"
    if isinstance(item, dict):
        return clip(", ".join(f"{key}: {value(part, length)}" for key, part in item.items()), length)
    return clip(item, length)


def words(name: Any) -> str:
    """A code's name as words: `early_stopping` is `early stopping`."""
    return clip(str(name).replace("_", " "), 120)


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""
