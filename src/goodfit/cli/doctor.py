"""The command `doctor`: whose an option is, where the results go, what is printed, the exit code."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from goodfit.base.errors import InputError

CONFIRMED = 3  # the exit code where a fault is confirmed
FOR_EXAMINATION = 0.5  # of a run's time limit, where the mended recipe is trained too

# Libraries that make options of a function's arguments or of a class's fields: their names need not stand in the script as options.
_FROM_SIGNATURES = re.compile(
    r"\b(fire|typer|click|tyro|hydra|absl|HfArgumentParser|simple_parsing|jsonargparse|LightningCLI|TrainingArguments)\b"
)


@dataclass(frozen=True)
class Options:
    """The options of the command itself."""

    as_json: bool = False
    time_limit: str | None = None
    out: str | None = None
    fix: bool = False
    seed: int = 0


def sorted_out(target: str, arguments: Sequence[str], options: Options) -> tuple[Options, list[str]]:
    """The options with those of ours that stand behind the script, and what is the script's.

    What stands behind the script is the script's. One of ours is taken out only where the script's text does not name it, so that it could make nothing
    of it; everything behind `--` stays as it is. Raises InputError where a value is missing or wrong.
    """
    path = Path(target)
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        text = ""
    if _FROM_SIGNATURES.search(text):
        return options, list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return options, [*rest, *(["--"] if rest else []), *waiting]
        name, equals, value = word.partition("=")
        if name in text or name not in ("--json", "--fix", "--time-limit", "--out", "--seed") or (equals and name in ("--json", "--fix")):
            rest.append(word)
        elif name == "--json":
            options = replace(options, as_json=True)
        elif name == "--fix":
            options = replace(options, fix=True)
        elif not equals and not waiting:
            raise InputError(f"{name} needs a value; give one, or give -- before it where it is the script's")
        else:
            given = value if equals else waiting.pop(0)
            if name == "--seed" and not re.fullmatch(r"-?\d+", given):
                raise InputError(f"--seed must be a whole number; {given!r} was given")
            changed: dict[str, Any] = {name[2:].replace("-", "_"): int(given) if name == "--seed" else given}
            options = replace(options, **changed)
    return options, rest


def examine(target: str, arguments: Sequence[str], options: Options) -> dict[str, Any]:
    """Examine a script or a run, write the record and its page, and give the document of `--json`."""
    if _is_run(Path(target)):
        return _examine_run(target, arguments, options)
    from goodfit.api.folder import new_folder, removed_on_refusal
    from goodfit.base.files import plain, write_json
    from goodfit.cli.progress import Bars
    from goodfit.doctor.script import check_script, examine_script, fix_script, limit_of
    from goodfit.report.doctor_page import RECORD, build

    limit_of(options.time_limit)  # what is wrong in the call is said before the script runs
    check_script(target)
    folder = new_folder(options.out, f"doctor-{Path(target).stem}")
    _refuse_unwritable(folder)
    with Bars(quiet=options.as_json) as bars:
        examination = examine_script(
            target, arguments, time_limit=options.time_limit, seed=options.seed, to_stderr=options.as_json, tail=options.fix, progress=bars
        )
        document = examination.to_json()
        if options.fix and (fixed := _fixed(fix_script, target, examination, arguments, options, bars)) is not None:
            document["fixed"] = fixed.to_json()
    if options.out is None:
        folder = new_folder(None, f"doctor-{Path(target).stem}")  # the script may have taken the name
    document["out"] = str(folder)
    document = dict(plain(document))
    with removed_on_refusal(folder):
        write_json(folder / RECORD, document)
        document["report"] = str(build(folder))
    return document


def _examine_run(target: str, arguments: Sequence[str], options: Options) -> dict[str, Any]:
    from goodfit.api.examining import examine_run
    from goodfit.api.fixing import fix_run
    from goodfit.api.folder import new_folder, removed_on_refusal
    from goodfit.base.files import plain, write_json
    from goodfit.cli.progress import Bars
    from goodfit.doctor.script import limit_of
    from goodfit.report.doctor_page import RECORD, build

    if arguments:
        raise InputError(f"a run takes no arguments; {' '.join(arguments)[:80]!r} was given behind {target}", value=arguments[0])
    begun, limit = time.monotonic(), limit_of(options.time_limit)
    folder = new_folder(options.out, f"doctor-{Path(target).resolve().name}")
    _refuse_unwritable(folder)
    with Bars(quiet=options.as_json) as bars:
        share = None if limit is None else limit * (FOR_EXAMINATION if options.fix else 1.0)
        examination = examine_run(target, time_limit=share, seed=options.seed, progress=bars)
        document = examination.to_json()
        with removed_on_refusal(folder):
            if options.fix:
                left = None if limit is None else begun + limit - time.monotonic()
                fixed = fix_run(target, examination, folder, time_limit=left, progress=bars)
                if fixed is not None:
                    document["fixed"] = fixed
                elif examination.verdict == "faulty":
                    bars.say("no finding comes with a change of the recipe, so nothing was written beside it")
            document["out"] = str(folder)
            document = dict(plain(document))
            write_json(folder / RECORD, document)
            document["report"] = str(build(folder))
    return document


def _fixed(fix_script: Any, target: str, examination: Any, arguments: Sequence[str], options: Options, bars: Any) -> Any:
    fixed = fix_script(target, examination, arguments, time_limit=options.time_limit, to_stderr=options.as_json, progress=bars)
    if fixed is None and examination.verdict == "faulty":
        print("goodfit: no finding comes with an edit of the script, so nothing was written beside it", file=sys.stderr)
    return fixed


def _is_run(path: Path) -> bool:
    return (path / "run.json").exists()


def _refuse_unwritable(folder: Path) -> None:
    """Raise before the script runs where its results would have no place."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"the folder {folder} cannot be made in {above}; give another --out", file=folder)
