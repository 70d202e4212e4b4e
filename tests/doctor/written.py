"""Files that tests write and edit."""

from __future__ import annotations

import ast
from pathlib import Path

from goodfit.doctor.program import Place
from goodfit.doctor.source import Edit, combined


class Written:
    """A file of Python. Lines are found by what stands in them."""

    def __init__(self, folder: Path, text: str | bytes) -> None:
        self.path = folder / "train.py"
        self.content = text if isinstance(text, bytes) else text.encode()
        self.path.write_bytes(self.content)
        self.file = str(self.path)

    def at(self, fragment: str, nth: int = 0) -> Place:
        """The place of the line that holds a fragment for the nth time."""
        lines = self.content.decode(errors="replace").splitlines()
        found = [number for number, line in enumerate(lines, 1) if fragment in line]
        return Place(self.file, found[nth])

    def after(self, *edits: Edit | None) -> str:
        """The file's text with edits made; it parses, and the file itself stands as it was."""
        made = [edit for edit in edits if edit is not None]
        assert len(made) == len(edits), "no edit was made"
        content, left = combined(self.file, made)
        assert not left
        assert self.path.read_bytes() == self.content
        text = content.decode()
        ast.parse(text)
        return text

    def lines(self, edit: Edit | None) -> tuple[str, str]:
        """What changed: the lines before and after."""
        assert edit is not None
        self.after(edit)
        return edit.before, edit.after
