"""The doors of torch that report to a recorder: what is exchanged while it records, and what each door tells."""

from __future__ import annotations

import functools
import os
import sys
import traceback
import types
import warnings
import weakref
from collections.abc import Callable
from threading import get_ident
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data.dataloader import _BaseDataLoaderIter

from goodfit.base.errors import InputError
from goodfit.doctor.patches import Patches
from goodfit.doctor.program import LoaderUse
from goodfit.doctor.traces import stripped

if TYPE_CHECKING:
    from goodfit.doctor.record import Recorder

_HERE = os.path.dirname(os.path.abspath(__file__))
_active: list[Recorder] = []
_hooks: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def claim(recorder: Recorder) -> None:
    """One recorder at a time."""
    if at_work():
        raise InputError("a Recorder is at work already; leave its `with` block before another one begins")
    _active.append(recorder)


def at_work() -> bool:
    """Whether a recorder records. One whose training was left by an error takes itself away when it is asked."""
    return any(not recorder.over() for recorder in list(_active))


def release(recorder: Recorder) -> None:
    for hook in _hooks.pop(recorder, []):
        hook.remove()
    if recorder in _active:
        _active.remove(recorder)


def _forked() -> None:
    """In a child process nothing is recorded."""
    for recorder in _active:
        recorder.live = False
        recorder.tracer.off = 1
        recorder.withdraw()


os.register_at_fork(after_in_child=_forked)


def runs(frame: FrameType | None) -> bool:
    """Whether a frame is among those that are running now."""
    current: FrameType | None = sys._getframe(1)
    while current is not None:
        if current is frame:
            return True
        current = current.f_back
    return False


def install(recorder: Recorder, patches: Patches) -> None:
    """Opens all doors."""
    _networks(recorder, patches)
    _losses(recorder, patches)
    _gradients(recorder, patches)
    _made(recorder, patches)
    _aside(recorder, patches)

    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> Any:
        return recorder.before_step(optimizer, args, kwargs, sys._getframe(1))

    def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        recorder.after_step(optimizer)

    _hooks[recorder] = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]


def lighten(recorder: Recorder, patches: Patches) -> None:
    """Closes the doors that a lean recorder does not need; not to be called from a hook, among which torch is going."""
    for owner in (Optimizer, nn.Module):
        patches.give_back(owner, "zero_grad")
    for hook in _hooks[recorder]:
        hook.remove()
    thread = recorder.thread

    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        if recorder.live and get_ident() == thread:
            recorder.rest.step(optimizer)

    _hooks[recorder] = [register_optimizer_step_pre_hook(before)]


def _networks(recorder: Recorder, patches: Patches) -> None:
    tracer, thread = recorder.tracer, recorder.thread
    call, make = nn.Module.__call__, nn.Module.__init__

    @functools.wraps(call)
    def called(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if tracer.off or get_ident() != thread or not recorder.live:
            return call(module, *args, **kwargs)
        if recorder.lean and module.training and torch.is_grad_enabled() and not tracer.unusual(args):  # an update's: the shortest way
            recorder.end_evaluation()
            tracer.off += 1
            try:
                return call(module, *args, **kwargs)
            finally:
                tracer.off -= 1
        return recorder.called(call, module, args, kwargs)

    @functools.wraps(make)
    def made(module: nn.Module, *args: Any, **kwargs: Any) -> None:
        make(module, *args, **kwargs)
        if not recorder.lean and recorder.mine():
            recorder.made_module(module)

    patches.put(nn.Module, "__call__", called)
    patches.put(nn.Module, "__init__", made)


def _losses(recorder: Recorder, patches: Patches) -> None:
    backward = torch.autograd.backward

    @functools.wraps(backward)
    def passed(*args: Any, **kwargs: Any) -> Any:
        if not recorder.mine():
            return backward(*args, **kwargs)
        if recorder.lean and not recorder.tracer.off:
            return recorder.rest.backward(backward, args, kwargs)
        if recorder.tracer.off:
            if recorder.stuck():
                recorder.recover()
            else:
                if recorder.inside:
                    recorder.trains_inside()
                return backward(*args, **kwargs)
        return recorder.backward(backward, args, kwargs)

    patches.function([torch.autograd], "backward", passed)
    scaler = torch.amp.grad_scaler.GradScaler
    scale = scaler.scale

    @functools.wraps(scale)
    def scaled(self: Any, *args: Any, **kwargs: Any) -> Any:
        if recorder.tracer.off or not recorder.mine():
            return scale(self, *args, **kwargs)
        return recorder.scaled(scale, self, args, kwargs)

    patches.put(scaler, "scale", scaled)
    for name in ("unscale_", "step", "update"):
        patches.put(scaler, name, quietly(recorder, getattr(scaler, name)))

    apply = torch.autograd.Function.__dict__["apply"].__func__

    @functools.wraps(apply)
    def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
        mine = recorder.mine() and not recorder.tracer.off and not cls.__module__.startswith("torch.")
        if not mine or not recorder.tracer.concerns(args, kwargs):
            return apply(cls, *args, **kwargs)
        popped = recorder.pause()
        try:
            return recorder.tracer.function(types.MethodType(apply, cls), args, kwargs)
        finally:
            recorder.resume(popped)

    patches.put(torch.autograd.Function, "apply", classmethod(applied))


def _gradients(recorder: Recorder, patches: Patches) -> None:
    def zeroing(owner: Any) -> None:
        zero = owner.zero_grad

        @functools.wraps(zero)
        def zeroed(self: Any, *args: Any, **kwargs: Any) -> Any:
            if recorder.lean:
                return zero(self, *args, **kwargs)
            if recorder.tracer.off and recorder.mine() and recorder.stuck():
                recorder.recover()
            if recorder.tracer.off or not recorder.mine():
                return zero(self, *args, **kwargs)
            popped = recorder.pause()
            try:
                result = zero(self, *args, **kwargs)
                to_none = bool(args[0] if args else kwargs.get("set_to_none", True))
                if owner is Optimizer:
                    recorder.zeroed(self, None, to_none)
                else:
                    recorder.zeroed(None, self, to_none)
                return result
            finally:
                recorder.resume(popped)

        patches.put(owner, "zero_grad", zeroed)

    def clipping(name: str, kind: str) -> None:
        clip = getattr(torch.nn.utils, name)

        @functools.wraps(clip)
        def clipped(parameters: Any, limit: Any = None, *args: Any, **kwargs: Any) -> Any:
            limits = {word: kwargs[word] for word in ("max_norm", "clip_value") if word in kwargs}
            given = (limit, *args) if not limits else args
            if recorder.lean or recorder.tracer.off or not recorder.mine():
                return clip(parameters, *given, **kwargs)
            popped = recorder.pause()
            try:
                weights = [parameters] if isinstance(parameters, Tensor) else list(parameters)
                result = clip(weights, *given, **kwargs)
                norm = kwargs.get("norm_type", args[0] if args and kind == "norm" else 2.0)
                recorder.clipped(kind, float(limit if not limits else next(iter(limits.values()))), float(norm), weights)
                return result
            finally:
                recorder.resume(popped)

        patches.function([torch.nn.utils, torch.nn.utils.clip_grad], name, clipped)

    zeroing(Optimizer)
    zeroing(nn.Module)
    clipping("clip_grad_norm_", "norm")
    clipping("clip_grad_value_", "value")


def _made(recorder: Recorder, patches: Patches) -> None:
    make_optimizer, make_loader = Optimizer.__init__, DataLoader.__init__

    @functools.wraps(make_optimizer)
    def optimizer(self: Optimizer, *args: Any, **kwargs: Any) -> None:
        if not recorder.mine() or recorder.lean:
            make_optimizer(self, *args, **kwargs)
            return
        popped = recorder.pause()
        try:
            make_optimizer(self, *args, **kwargs)
            recorder.drafts.optimizer(self, recorder.places.here())
            recorder.renewed = True
        finally:
            recorder.resume(popped)

    @functools.wraps(make_loader)
    def loader(self: Any, *args: Any, **kwargs: Any) -> None:
        make_loader(self, *args, **kwargs)
        if recorder.mine() and not recorder.lean:
            recorder.made_loader(_use(self, recorder))

    patches.put(Optimizer, "__init__", optimizer)
    patches.put(DataLoader, "__init__", loader)
    patches.put(_BaseDataLoaderIter, "__next__", quietly(recorder, _BaseDataLoaderIter.__next__))


def _use(loader: Any, recorder: Recorder) -> LoaderUse:
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    # A sampler of the user's own may do anything; only the one that goes through the rows in their order is certain not to shuffle.
    shuffles = isinstance(sampler, RandomSampler) or not (
        isinstance(sampler, SequentialSampler) or isinstance(loader.dataset, IterableDataset)
    )
    size = loader.batch_size if loader.batch_size is not None else getattr(loader.batch_sampler, "batch_size", None)
    try:
        rows = len(loader.dataset)
    except TypeError:
        rows = None
    return LoaderUse(shuffles, size, rows, recorder.places.here())


def _aside(recorder: Recorder, patches: Patches) -> None:
    """What is not to be looked into, and said instead: compiled functions, and networks called with weights that are not theirs."""
    compile_function = torch.compile
    functional_call = torch.func.functional_call

    def unseen(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            if recorder.tracer.off or not recorder.mine():
                return function(*args, **kwargs)
            if not recorder.lean:
                recorder.drafts.note("compiled", recorder.places.here())
            popped = recorder.pause()
            try:
                return function(*args, **kwargs)
            finally:
                recorder.resume(popped)

        return run

    @functools.wraps(compile_function)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            with patches.away(nn.Module):  # it notes when it is imported how networks are called
                import torch._dynamo  # noqa: F401
        made = compile_function(*args, **kwargs)
        if not recorder.live or isinstance(made, nn.Module):
            return made
        if args or kwargs.get("model") is not None:
            return unseen(made)
        return lambda model: again if isinstance(again := made(model), nn.Module) else unseen(again)

    @functools.wraps(functional_call)
    def substituted(module: nn.Module, weights: Any, *args: Any, **kwargs: Any) -> Any:
        own = dict(module.named_parameters()) | dict(module.named_buffers())
        given = [weights] if isinstance(weights, dict) else list(weights)
        if recorder.tracer.off or not recorder.mine() or all(own.get(name) is tensor for one in given for name, tensor in one.items()):
            return functional_call(module, weights, *args, **kwargs)
        if not recorder.lean:
            recorder.drafts.note("functional", recorder.places.here())
        popped = recorder.pause()
        try:
            return functional_call(module, weights, *args, **kwargs)
        finally:
            recorder.resume(popped)

    patches.function([torch], "compile", compiled)
    patches.function([torch.func, torch.nn.utils.stateless], "functional_call", substituted)
    show = warnings.showwarning

    @functools.wraps(show)
    def shown(message: Any, category: Any, filename: str, lineno: int, *args: Any, **kwargs: Any) -> None:
        if (
            (filename.startswith(_HERE) or filename == torch.overrides.__file__)
            and recorder.mine()
            and (place := recorder.places.here()) is not None
        ):
            filename, lineno = place.file, place.line  # torch names the frame that called it, which is ours
        show(message, category, filename, lineno, *args, **kwargs)

    patches.put(warnings, "showwarning", shown)
    told = traceback.TracebackException.__init__

    @functools.wraps(told)
    def tell(self: Any, kind: Any, error: Any, trace: Any, *args: Any, **kwargs: Any) -> None:
        told(self, kind, error, stripped(trace), *args, **kwargs)

    patches.put(traceback.TracebackException, "__init__", tell)


def quietly(recorder: Recorder, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, and nothing of what it does is written down."""

    @functools.wraps(function)
    def quiet(*args: Any, **kwargs: Any) -> Any:
        if (recorder.lean and not recorder.evaluating) or recorder.tracer.off or not recorder.mine():
            return function(*args, **kwargs)
        popped = recorder.pause()
        try:
            return function(*args, **kwargs)
        finally:
            recorder.resume(popped)

    return quiet
