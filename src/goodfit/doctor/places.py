"""Where in the user's files something happens: the innermost frame that is theirs."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import CodeType, FrameType

import torch
from torch import nn

import goodfit
from goodfit.doctor.program import Place

# What lies below these is nobody's own program: torch, goodfit, and Python's own modules.
_FOREIGN = tuple(
    {
        str(Path(folder).resolve())
        for folder in (
            Path(torch.__file__).parent,
            Path(goodfit.__file__).parent,
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib"),
        )
    }
)
_INSTALLED = ("site-packages", "dist-packages")
# Code that was typed and stands in no file; "<string>" and "<frozen ...>" are made by libraries.
_TYPED = ("<stdin>", "<ipython-input")


class Places:
    """Finds the user's frames.

    root: the folder of their program; with None every file is theirs that is not torch's, goodfit's, Python's own or an installed package's.
    within: a frame of a framework's loop; the user's line that called it is not where things happen, and is not looked at.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self._root = None if root is None else Path(root).resolve()
        self._known: dict[str, bool] = {}
        self.within: FrameType | None = None
        self._here: dict[tuple[int, int], tuple[CodeType, Place]] = {}  # by the id of the code, which is held, and the line

    def own(self, file: str) -> bool:
        """Whether a file, as a frame names it, is the user's."""
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self._judge(file)
        return known

    def here(self) -> Place | None:
        """The innermost frame of the user's that is running; None where nothing of theirs is."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self.within:
            code = frame.f_code
            if self.own(code.co_filename):
                key = id(code), frame.f_lineno
                if key not in self._here:
                    self._here[key] = code, Place(code.co_filename, frame.f_lineno, code.co_name)
                return self._here[key][1]
            frame = frame.f_back
        return None

    def made(self, module: nn.Module) -> Place | None:
        """Where the user made `module`, asked while its `__init__` runs; None too where it is made as a part of another one."""
        frame: FrameType | None = sys._getframe(1)
        found: Place | None = None
        while frame is not None and frame is not self.within:
            code = frame.f_code
            made = frame.f_locals.get(code.co_varnames[0]) if code.co_name == "__init__" and code.co_argcount else None
            if isinstance(made, nn.Module):
                if made is not module:
                    return None
            elif found is None and self.own(code.co_filename):
                found = Place(code.co_filename, frame.f_lineno, code.co_name)
            frame = frame.f_back
        return found

    def _judge(self, file: str) -> bool:
        if file.startswith("<"):
            return self._root is None and file.startswith(_TYPED)
        path = Path(file).resolve()
        if any(part in _INSTALLED for part in path.parts):
            return False
        if self._root is not None:
            return path.is_relative_to(self._root)
        return not any(path.is_relative_to(folder) for folder in _FOREIGN)
