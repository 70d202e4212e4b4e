"""Writing with a run: what a language model goes on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goodfit.api.run import Run
from goodfit.base.errors import InputError
from goodfit.bundle.bundle import Bundle
from goodfit.bundle.continuation import TEMPERATURE, written

LENGTH = 400  # characters where nobody says how many: a paragraph
LONGEST = 1_000_000
SAMPLES = (0.5, 1.0)  # temperatures of the report's samples: what it is sure of, and what it learned


def generate(
    run: str | Path | Run,
    prompt: str = "",
    *,
    length: int = LENGTH,
    temperature: float = TEMPERATURE,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """What follows the prompt, a character at a time. The same seed gives the same text.

    temperature: 0 takes the likeliest character, 1 draws from what was learned. top_k, top_p: draw from the likeliest so many, or from the
    fewest whose probabilities sum to so much. Raises InputError for a run that is no language model, and SettingError for values out of bounds.
    """
    opened = run if isinstance(run, Run) else Run(run)
    bundle = opened.bundle
    if bundle.target.kind != "language":
        raise InputError(f"text is written by a language model; {opened.folder} learned {bundle.target.kind}", file=opened.folder)
    if not 1 <= length <= LONGEST:
        raise InputError(f"--length must lie from 1 to {LONGEST:,} characters; {length} was given", value=length)
    if not 0 <= temperature <= 100:
        raise InputError(f"--temperature must lie from 0 to 100; {temperature:g} was given", value=temperature)
    if top_k is not None and top_k < 1:
        raise InputError(f"--top-k must be at least 1; {top_k} was given", value=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"--top-p must lie above 0 and at most at 1; {top_p:g} was given", value=top_p)
    return _signs(bundle, prompt, length, seed, temperature, top_k, top_p)


def _signs(
    bundle: Bundle, prompt: str, length: int, seed: int, temperature: float, top_k: int | None, top_p: float | None
) -> Iterator[str]:
    prompt = prompt.replace("\r\n", "\n")
    for (sign,) in written(*bundle.writer, [prompt], length, seed, temperature=temperature, top_k=top_k, top_p=top_p):
        yield sign


def samples(bundle: Bundle, seed: int) -> list[dict[str, Any]]:
    """[{"temperature", "text"}]: what it writes from nothing."""
    return [{"temperature": t, "text": "".join(_signs(bundle, "\n", LENGTH, seed, t, None, None))} for t in SAMPLES]
