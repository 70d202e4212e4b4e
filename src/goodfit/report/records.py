"""The records of a run folder, read and nothing more. A file that is absent or damaged is named, and its section says so."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.base.errors import BundleError
from goodfit.base.files import read_json
from goodfit.report.markup import clean
from goodfit.report.notation import is_number

_LARGEST_TEXT = 1 << 26  # bytes; a history of a million epochs stays below it


@dataclass(frozen=True)
class Records:
    """What a run wrote. None: the file is not there; `problems` names the files that are there but cannot be read."""

    folder: Path
    run: dict[str, Any] | None
    recipe: str | None
    environment: dict[str, Any] | None
    history: list[dict[str, Any]] | None
    findings: list[dict[str, Any]] | None
    ledger: list[dict[str, Any]] | None
    network: dict[str, Any] | None
    analysis: dict[str, Any] | None
    data: dict[str, Any] | None  # the data as they were understood: analysis.json, else schema.json and data.json
    problems: dict[str, str]
    examination: dict[str, Any] | None = None  # of the training, by the doctor

    @property
    def finished(self) -> bool:
        return self.run is not None and self.run.get("status") == "finished"

    @property
    def quoted(self) -> str:
        """The folder's name as a shell takes it."""
        return shlex.quote(clean(self.folder.resolve().name))

    @property
    def targets(self) -> list[dict[str, Any]]:
        return list((self.analysis or {}).get("targets") or [])

    @property
    def score(self) -> str | None:
        """Name of the metric that early stopping read."""
        run = self.run or {}
        return next((run[key] for key in ("metric", "score") if isinstance(run.get(key), str)), None)

    @property
    def openings(self) -> int:
        """How often the sealed test set was opened."""
        counts = [line.get("count") for line in self.ledger or []]
        return max([len(counts), *(int(c) for c in counts if is_number(c))])

    def absent(self, file: str, what: str) -> str:
        """One sentence on why a section is empty."""
        if file in self.problems:
            return f"{file} cannot be read ({self.problems[file]}), so {what} is not shown."
        state = "The run left no" if self.finished else "The run has not come this far: there is no"
        return f"{state} {file}, so {what} is not shown."


def read(run_folder: Path) -> Records:
    """All records of a run. Raises BundleError when the folder does not exist."""
    folder = Path(run_folder)
    if not folder.is_dir():
        raise BundleError(f"a run folder is needed; {folder} is no folder. `goodfit train` makes one", file=folder)
    problems: dict[str, str] = {}

    def document(name: str, *kinds: type) -> Any:
        if not (folder / name).exists():
            return None
        try:
            found = read_json(folder / name)
        except BundleError as error:
            problems[name] = str(error.__cause__ or error.message)
            return None
        if not isinstance(found, kinds):
            problems[name] = f"it holds a {type(found).__name__}"
            return None
        return found

    def text(name: str) -> str | None:
        path = folder / name
        if not path.exists():
            return None
        try:
            if path.stat().st_size > _LARGEST_TEXT:
                raise OSError(f"it is larger than {_LARGEST_TEXT} bytes")
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            problems[name] = error.strerror or str(error)
            return None

    def lines(name: str, torn: bool = False) -> list[dict[str, Any]] | None:
        """One JSON object a line. A killed process tears a line; it is left out, or with `torn` kept as an empty object."""
        written = text(name)
        if written is None:
            return None
        found = []
        for line in written.splitlines():
            try:
                item = json.loads(line)
            except (ValueError, RecursionError):
                item = None
            if isinstance(item, dict):
                found.append(item)
            elif torn and line.strip():
                found.append({})
        return found

    analysis = document("analysis.json", dict)
    schema, data = document("schema.json", dict, list), document("data.json", dict)
    findings = document("findings.json", list)
    return Records(
        folder=folder,
        run=document("run.json", dict),
        recipe=text("recipe.yaml"),
        environment=document("environment.json", dict),
        history=lines("history.jsonl"),
        findings=None if findings is None else [item for item in findings if isinstance(item, dict)],
        ledger=lines("test-ledger.jsonl", torn=True),  # an opening counts even where its line was cut short
        network=document("network.json", dict),
        analysis=analysis,
        data=_understood(analysis, schema, data),
        problems=problems,
        examination=document("examination.json", dict),
    )


def _understood(analysis: dict[str, Any] | None, schema: Any, data: dict[str, Any] | None) -> dict[str, Any] | None:
    """The data section of the analysis; before there is one, what the schema and the fingerprint say."""
    if analysis is not None and isinstance(analysis.get("data"), dict):
        return analysis["data"]
    if schema is None and data is None:
        return None
    merged = dict(data or {})
    if schema is not None:
        merged.setdefault("columns", schema if isinstance(schema, list) else schema.get("columns"))
    return merged
