"""What the callbacks for other people's loops share: a recorder for as long as the loop runs, the examination after it, and the few lines that are printed.

A framework tells a callback when its loop begins and when it has ended, but most do not tell when an error ended it. So the recorder knows the call of the
framework's loop that it belongs to, and takes itself away once that call runs no more.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import FrameType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from goodfit.base.errors import GoodfitError, InputError
from goodfit.base.records import Finding
from goodfit.doctor import instruments
from goodfit.doctor.engine import examine_program
from goodfit.doctor.examination import Examination
from goodfit.doctor.places import Places
from goodfit.doctor.record import Recorder

_SHOWN = 5  # findings that are printed; more than four remedies in a row are never tried


class Within(Recorder):
    """Records for as long as a call of a framework runs, and takes itself away at the next chance after an error has ended that call.

    entry: its frame. Lines of the user's further out are not looked at: they only called the framework.
    gathering: gradients that are set to nothing now are kept elsewhere, and are used with those to come.
    """

    def __init__(self, entry: FrameType, networks: Sequence[nn.Module] = (), optimizers: Sequence[Optimizer] = ()) -> None:
        super().__init__(networks=networks, optimizers=optimizers)
        self._entry: FrameType | None = entry
        self.places.within = entry
        self.gathering = False

    def over(self) -> bool:
        if self.live and not instruments.runs(self._entry):
            self.__exit__(None, None, None)
        return not self.live

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._entry = self.places.within = None

    def door(self, owner: Any, name: str, new: Any) -> None:
        """Exchanges one more attribute of a class for as long as it records."""
        self._patches.put(owner, name, new)

    def called(self, original: Callable[..., Any], module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return original(module, *args, **kwargs) if self.over() else super().called(original, module, args, kwargs)

    def backward(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return original(*args, **kwargs) if self.over() else super().backward(original, args, kwargs)

    def zeroed(self, optimizer: Optimizer | None, module: nn.Module | None, to_none: bool) -> None:
        if self.gathering:
            self._had.clear()
        else:
            super().zeroed(optimizer, module, to_none)

    def before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType | None) -> Any:
        return None if self.over() else super().before_step(optimizer, args, kwargs, frame)


class Beside:
    """A callback that watches a training and examines it when it has ended.

    examine: whether to examine by itself after a training that ended well; `examine()` does it at any time, after one that raised too.
    seconds: about what the examination may take, 60 when not given. seed: of its short copies; the same seed gives the same findings.
    examination: of the last training; None before.

    Nothing is printed where nothing was found. The training itself is as without the callback.
    """

    framework: ClassVar[str] = ""
    packages: ClassVar[tuple[str, ...]] = ()  # the first names of the framework's modules
    words: ClassVar[Mapping[str, str]] = {}  # by fault: where the framework itself sets what is to be changed

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        kind: Any = cls
        return super().__new__(_joined(kind, tuple(base for base in cls._bases() if not issubclass(cls, base))))

    def __init__(self, *, examine: bool = True, seconds: float | None = None, seed: int = 0) -> None:
        super().__init__()
        self.examination: Examination | None = None
        self.not_seen: list[str] = []  # sentences on what this framework does and the recorder could not see
        self._examines, self._seconds, self._seed = examine, seconds, seed
        self._recorder: Within | None = None

    @classmethod
    def _bases(cls) -> tuple[type, ...]:
        """The framework's own classes of callbacks. Raises InputError where it is not installed."""
        return ()

    def examine(self) -> Examination:
        """Examines what was seen of the last training, once. Raises InputError where nothing was."""
        if self.examination is None:
            if self._recorder is None:
                raise InputError(
                    f"there is nothing to examine: {type(self).__name__} has seen no training; give it to {self.framework} and train first"
                )
            self._end()
            with _draws_kept():
                program = self._recorder.program()
                program.said += self.not_seen
                found = examine_program(program, seconds=self._seconds, seed=self._seed)
            self.examination = replace(found, findings=tuple(self._worded(finding) for finding in found.findings))
            self._recorder = None
        return self.examination

    def _begin(self, networks: Sequence[nn.Module] = (), optimizers: Sequence[Optimizer] = ()) -> Within | None:
        """Records from now on; None where a recorder is at work already, as under `goodfit doctor`, which sees this training too."""
        self._end()
        if instruments.at_work():
            return None
        self.examination = None
        self.not_seen = []
        self._recorder = Within(_entry(self.packages), networks, optimizers)
        self._recorder.__enter__()
        return self._recorder

    def _end(self) -> None:
        """Records no more."""
        if self._recorder is not None and self._recorder.live:
            self._recorder.__exit__(None, None, None)

    def _finish(self) -> None:
        """After a training that ended well."""
        self._end()
        if not self._examines or self._recorder is None:
            return
        try:
            found = self.examine()
        except GoodfitError:
            return  # it trained nothing; `examine()` says so to whoever asks
        except Exception as error:  # an examination that fails must not take the user's training with it
            print(f"goodfit doctor: the examination failed, the training is as it was: {type(error).__name__}: {error}")
            return
        for line in page(found):
            print(line)

    def _worded(self, finding: Finding) -> Finding:
        """With the framework's own argument, where the edit is none of the user's files."""
        words = self.words.get(finding.code)
        return finding if words is None or finding.edit is not None else replace(finding, remedy=f"{finding.remedy} {words}".strip())


def page(examination: Examination) -> list[str]:
    """The lines to print; none where nothing is wrong."""
    faults = [finding for finding in examination.findings if finding.severity != "remark"]
    if examination.verdict == "healthy" or not faults:
        return []
    count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}" if examination.verdict == "faulty" else "the data hold nothing to learn"
    lines = [
        f"goodfit doctor: {count} in this training, proven by {examination.examined.get('runs', 0)} short copies in {examination.seconds:.0f} s"
    ]
    for rank, finding in enumerate(faults[:_SHOWN], 1):
        gain = f" (gains {finding.gain:.0%} of what was to be gained)" if finding.gain is not None else ""
        lines += [f"  {rank}. {finding.code}{gain}: {finding.message}", f"     {finding.remedy}"]
        edit = finding.edit or {}
        if edit.get("file"):
            lines.append(f"     {edit['file']}:{edit.get('line')}")
    return lines


@cache
def _joined(kind: Any, bases: tuple[type, ...]) -> Any:
    """The callback as a class of the framework's too: only now is it known to be there."""
    return type(kind.__name__, (kind, *bases), {"__module__": kind.__module__, "__doc__": kind.__doc__}) if bases else kind


def _entry(packages: Sequence[str]) -> FrameType:
    """The outermost frame of the framework's that the user's line called: it runs for as long as the training does."""
    places = Places()
    frame = found = sys._getframe(1)
    inside = False
    while True:
        inside = inside or str(frame.f_globals.get("__name__", "")).partition(".")[0] in packages
        if inside:
            if places.own(frame.f_code.co_filename):
                return found
            found = frame
        if frame.f_back is None:
            return found
        frame = frame.f_back


@contextmanager
def _draws_kept() -> Iterator[None]:
    """What is drawn after it is what would have been drawn without it."""
    plain, arrays = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices), torch.inference_mode(False):
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)
