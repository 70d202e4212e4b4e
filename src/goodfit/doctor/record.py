"""The recorder: it makes a `Program` of training code that runs.

Torch tells it of every function that is called (`tape`), and the doors through which training goes report to it (`instruments`): a network's call, a
backward, an update, gradients set to nothing or clipped. What it keeps is the graph of calls behind each of the first updates, with the data that
entered. After `keep_updates` of them it is lean: it reads losses and rates, and listens to evaluations.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import get_ident
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.overrides import _get_current_function_mode, _pop_mode, _push_mode

from goodfit.doctor import instruments
from goodfit.doctor.byhand import ByHand
from goodfit.doctor.calls import Budget, Cell, Leaf, Out, ancestors, answers, copy_of, graded
from goodfit.doctor.drafts import Clipped, Drafts, Passed, UsedOptimizer, Zeroed, rates_of, written
from goodfit.doctor.evaluations import Evaluations
from goodfit.doctor.glances import ends_of, glance, losses_of, pairs_of, slope, still
from goodfit.doctor.lean import Lean
from goodfit.doctor.patches import Patches
from goodfit.doctor.places import Places
from goodfit.doctor.program import LoaderUse, Place, Program, Update
from goodfit.doctor.snapshots import Networks, Root, bare, is_network
from goodfit.doctor.tape import Mode, Tracer, transformed

_PASSES = 16  # backwards for each update that is kept: more than gradients are gathered over, and a bound for programs that never update


@dataclass(slots=True)
class _Step:
    """An optimiser's step that is going on. off: the tracer's before it. began: number of events before it. runs: of its closure."""

    optimizer: UsedOptimizer
    frame: FrameType | None
    off: int
    popped: bool
    began: int
    rates: tuple[float, ...]
    before: list[tuple[Tensor, Tensor]]
    place: Place | None
    closure: bool = False
    runs: int = 0
    kept: int = 0  # events after the closure's first run


class Recorder:
    """Records what runs inside of `with`.

    root: the folder of the user's program, for the places; None for every file that no package brought. keep_updates, keep_bytes: how much is kept for
    short copies, in updates and in bytes of data. networks, optimizers: those made before the block, as the user names them.

    The code inside runs as it would: the same numbers, the same errors; at the end of the block torch is as it was. Other threads and other processes are
    not recorded. One recorder at a time: a second raises InputError.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        keep_updates: int = 256,  # two to four epochs of the programs people ask about, and as much as a short copy runs
        keep_bytes: int = 512 * 2**20,  # a sixteenth of the memory of a small laptop
        networks: Sequence[nn.Module] = (),
        optimizers: Sequence[Optimizer] = (),
    ) -> None:
        self.places = Places(root)
        self.live = False
        self.thread = get_ident()
        self.lean = self._light = False
        self.updates = 0
        self.budget = Budget()
        self.evaluations = Evaluations(self.budget, keep_bytes // 4)
        self.networks = Networks()
        self.tracer = Tracer(self.places, self.budget, self.evaluations, self.networks.holds, self._changed_by_hand, self._asked)
        self.mode = Mode(self.tracer)
        self.drafts = Drafts(self.networks, self.tracer)
        self.inside: list[nn.Module] = []  # networks whose call is going on
        self._keep_updates = keep_updates
        self._keep_bytes = keep_bytes
        self._wanted = False  # whether the mode is to be on where nothing pauses it
        self._pushed = False
        self.rest = Lean(self)
        self.inner: set[int] = set()  # optimisers that step inside of another one's step
        self._by_hand = ByHand()
        self._steps: list[_Step] = []
        self._containers: dict[int, nn.Module] = {}
        self._judged: set[int] = set()  # networks that were called with gradients on
        self._opened: set[int] = set()  # those that gave their own loss then: what they call is written down from the next time on
        self.renewed = False  # modules or an optimiser were made after training had begun
        self._made: dict[int, tuple[weakref.ref[nn.Module], Place]] = {}
        self._had: dict[
            int, tuple[Tensor, Tensor, int]
        ] = {}  # weights that had a gradient after the last backward, with it and its version
        self._zero_place: Place | None = None
        self._pending: tuple[Out, Tensor, Place | None] | None = None  # gradients that `torch.autograd.grad` gave
        self.teaches = False  # a network was in training mode when it was trained
        self._patches = Patches(self.places.own)
        self._began = self._spent = 0.0
        self._seeds = tuple(networks)
        for optimizer in optimizers:
            self.drafts.optimizer(optimizer, None)

    def __enter__(self) -> Recorder:
        instruments.claim(self)
        self.thread = get_ident()
        self.live = True
        instruments.install(self, self._patches)
        for network in self._seeds:
            if self.networks.find(bare(network)) is None:
                self.networks.admit(bare(network), None)
        self._began = time.perf_counter()
        self._wanted = True
        self._push()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.drafts.seconds = time.perf_counter() - self._began - self._spent
        self.live = self._wanted = False
        self.withdraw()
        self._steps.clear()
        self.tracer.off = 1
        self._patches.undo()
        instruments.release(self)
        self._note_step_by_hand()

    def program(self) -> Program:
        """What was recorded, inside of the block or after it. Raises InputError where nothing was trained."""
        popped = self.pause()
        try:
            if self.live:
                self.drafts.seconds = time.perf_counter() - self._began - self._spent
                self._note_step_by_hand()
            self.evaluations.close(self.updates)
            return written(self.drafts, self.evaluations, self.updates)
        finally:
            self.resume(popped)

    def over(self) -> bool:
        """Whether what was to be recorded has ended without a word; of a `with` block it never does."""
        return False

    # The mode

    def mine(self) -> bool:
        """Whether a call is to be recorded: of the thread and the process that entered."""
        return self.live and get_ident() == self.thread

    def pause(self) -> bool:
        """Nothing is written until `resume`, which takes what this gives."""
        self.tracer.off += 1
        return self._pop()

    def resume(self, popped: bool) -> None:
        self.tracer.off -= 1
        if popped:
            self._push()

    def _push(self) -> None:
        if self._wanted and not self._pushed:
            _push_mode(self.mode)
            self._pushed = True

    def _pop(self) -> bool:
        # Below a mode of the user's ours stays where it is; it lets all pass while the tracer is off.
        if self._pushed and _get_current_function_mode() is self.mode:
            _pop_mode()
            self._pushed = False
            return True
        return False

    def withdraw(self) -> None:
        """Takes the mode away, wherever it stands among those of others."""
        above = []
        while (mode := _get_current_function_mode()) is not None:
            _pop_mode()
            if mode is self.mode:
                break
            above.append(mode)
        for mode in reversed(above):
            _push_mode(mode)
        self._pushed = False

    # Networks

    def made_module(self, module: nn.Module) -> None:
        """A module was made: where, unless it is made as a part of another."""
        self.renewed = True
        place = self.places.made(module)
        if place is not None:
            self._made[id(module)] = (weakref.ref(module), place)

    def called(self, original: Callable[..., Any], module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A module's call, which no other network's call encloses."""
        if self.lean and not self.rest.listens(module, args):
            return self.rest.called(original, module, args, kwargs)
        if transformed():
            self.drafts.note("torch.func", self.places.here())
            return original(module, *args, **kwargs)
        target = bare(module)
        root = self.networks.find(target)
        if target is module and id(target) in self._opened and root is not None:
            popped = self.pause()
            try:
                self._note_step_by_hand()
                self._ready(target, root)
            finally:
                self.resume(popped)
            return original(module, *args, **kwargs)
        if root is None and (self.lean or id(target) in self._containers or not is_network(target)):
            return original(module, *args, **kwargs)
        popped = self.pause()
        self.inside.append(module)
        try:
            self._note_step_by_hand()
            root = self._ready(target, root)
            modes = {name: part.training for name, part in root.inner(target) if part.training != target.training}
            result, call = self.tracer.network(target, lambda: original(module, *args, **kwargs), args, kwargs, modes)
            root.call = None if call is None else weakref.ref(call)
            self.networks.copied(root)
            if torch.is_grad_enabled() and id(target) not in self._judged:
                self._judged.add(id(target))
                if any(not tensor.ndim and tensor.requires_grad for _, tensor in answers(result)):
                    self._opened.add(id(target))
            return result
        finally:
            self.inside.pop()
            self.resume(popped)

    def _ready(self, target: nn.Module, root: Root | None) -> Root:
        begun = time.perf_counter()
        if self.renewed:
            self.renewed = False
            if root is not None and self.drafts.events and any(known.exchanged for known in self.networks.roots):
                self._anew()
                root = None
        if root is None:
            made = self._made.get(id(target))
            root = self.networks.admit(target, made[1] if made is not None and made[0]() is target else None)
        elif not root.settled:
            self.tracer.tidy()
            self.networks.refresh(root)
        self._spent += time.perf_counter() - begun
        return root

    def _anew(self) -> None:
        """Parts of a network were exchanged after it was trained: what follows is another program, with the network as it is now."""
        self.drafts.anew(self.places.here())
        self.evaluations.forget()
        self.networks.clear()
        self.tracer.forget()
        self._had.clear()
        self._by_hand.drop()
        self._pending = None
        self.updates = self.tracer.step = 0

    @property
    def evaluating(self) -> bool:
        """Lean: whether the mode is on, for an evaluation."""
        return self._wanted

    def listen(self) -> None:
        """Lean: an evaluation begins."""
        self._wanted = True
        self._push()

    def end_evaluation(self) -> None:
        """Lean: the mode is off in training."""
        if self._wanted:
            self._wanted = False
            self.rest.guessed = None
            self._pop()
            self.tracer.forget()
        elif self._pushed:  # it became lean while torch had the mode in its hands
            self._pop()

    def trains_inside(self) -> None:
        """A backward or an update inside of a network's call: the module holds the loop, and the networks are what it calls."""
        module = bare(self.inside[0])
        if id(module) not in self._containers:
            self._containers[id(module)] = module
            if not self.drafts.events:
                self.networks.clear()
            self.drafts.note("inside", self.places.here())

    # Losses

    def backward(self, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`torch.autograd.backward`, which every backward comes through."""
        if self.lean:
            return self.rest.backward(original, args, kwargs)
        popped = self.pause()
        try:
            losses = losses_of(args, kwargs)
            worth = self._worth(losses)
            passed = self._before_backward(losses, worth)
            original(*args, **kwargs)
            self.tracer.passes += 1
            self.drafts.lose(worth)
            if passed is not None:
                if kwargs.get("inputs") is not None:
                    self.drafts.note("inputs", passed.place)
                self._after_backward(passed)
        finally:
            self.resume(popped)

    def worth_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The scalar that a call of `torch.autograd.backward` begins with."""
        return self._worth(losses_of(args, kwargs))

    def _worth(self, losses: list[tuple[Tensor, Tensor | None]]) -> Tensor:
        """The scalar that a backward begins with."""
        if len(losses) == 1 and losses[0][1] is None and losses[0][0].ndim == 0:
            return self.tracer.worth(losses[0][0]).detach().clone()
        total = torch.zeros(())
        for loss, gradient in losses:
            value = self.tracer.worth(loss).detach()
            total = total.to(value.device) + (value if gradient is None else value * gradient.detach()).sum()
        return total

    def _before_backward(self, losses: list[tuple[Tensor, Tensor | None]], worth: Tensor) -> Passed | None:
        self._note_step_by_hand(keep=True)
        self._note_zero_by_hand()
        place = self.places.here()
        outs = [(self.tracer.out_of(loss), gradient) for loss, gradient in losses]
        if any(out is None for out, _ in outs):
            self.drafts.note("loss", place)
            return None
        known = [(out, gradient) for out, gradient in outs if out is not None]
        root = known[0][0] if len(known) == 1 and known[0][1] is None else self.tracer.sum_of(known)
        passed = self._pass(root, place)
        if passed.unseen and not passed.roots and not passed.leaves:
            self.drafts.note("loss", place)
            return None
        passed.inherited = any(slope(weight) for weight in passed.sample)
        return passed

    def _pass(self, root: Out, place: Place | None) -> Passed:
        """A backward from `root`, with what its gradient reaches."""
        passed = Passed(root, self.drafts.lost, place)
        for call in ancestors(root.calls):
            if call.taste is not None:
                call.taste.used = True
                if call.training and call.grad:
                    self.tracer.taught(call.rows)
            passed.unseen = passed.unseen or any(isinstance(leaf, Cell) and leaf.unseen for leaf in call.leaves())
        for call in graded(root):
            if call.module is not None:
                found = self.networks.find(call.module)
                if found is not None and found not in passed.roots:
                    passed.roots.append(found)
                    self.teaches = self.teaches or bool(call.training)
            passed.leaves |= {leaf: None for leaf in call.leaves() if isinstance(leaf, Leaf)}
        passed.sample = [weight for found in passed.roots for weight in found.sample]
        passed.sample += [leaf.live for leaf in list(passed.leaves)[:3] if leaf.live is not None]
        return passed

    def _after_backward(self, passed: Passed) -> None:
        self._pending = None
        self.drafts.confirm()
        for root in passed.roots:
            root.settled = True
        for weight in passed.sample:
            if slope(weight) and weight.grad is not None:
                self._had[id(weight)] = weight, weight.grad, weight.grad._version
        self.drafts.events.append(passed)
        if not self.drafts.optimizers:
            weights: list[tuple[Tensor, Tensor | None]] = [
                (weight, weight.grad) for root in passed.roots for _, weight in root.weights.values() if weight.requires_grad
            ]
            weights += [
                (leaf.live, leaf.live.grad) for leaf in passed.leaves if leaf.live is not None and not self.networks.holds(leaf.live)
            ]
            self._by_hand.watch(weights)
        if self.budget.bytes > self._keep_bytes or self.tracer.passes > _PASSES * self._keep_updates:
            self._slim()
        elif not self.updates and self.tracer.passes % _PASSES == 0:
            self.evaluations.close(0)  # a program that never updates evaluates all the same

    def scaled(self, original: Callable[..., Any], scaler: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A gradient scaler's `scale`: its factor is not part of the loss."""
        popped = self.pause()
        try:
            result = original(scaler, *args, **kwargs)
            loss = args[0] if args else kwargs.get("outputs")
            if self.lean:
                self.rest.scaled(result, loss)
            elif isinstance(loss, Tensor) and isinstance(result, Tensor) and result is not loss:
                self.tracer.stands_for(result, loss)
            return result
        finally:
            self.resume(popped)

    def _asked(self, losses: Any, gradients: Any, weights: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> None:
        """`torch.autograd.grad` for weights: a backward, if an update follows before any other."""
        pairs = pairs_of(losses, gradients)
        known = [(out, gradient) for loss, gradient in pairs if (out := self.tracer.out_of(loss)) is not None]
        if known and not self.lean:
            root = known[0][0] if len(known) == 1 and known[0][1] is None else self.tracer.sum_of(known)
            self._pending = (root, self._worth(pairs), self.places.here())
            if not self.drafts.optimizers:
                self._by_hand.watch(zip(weights, slopes, strict=True))

    # Gradients and updates

    def zeroed(self, optimizer: Optimizer | None, module: nn.Module | None, to_none: bool) -> None:
        """`zero_grad` of an optimiser or of a module, after it."""
        if not self.lean:
            number = None if optimizer is None else self.drafts.optimizer(optimizer, None).number
            self.drafts.events.append(Zeroed(number, module, to_none, self.places.here()))
            self._had = {key: had for key, had in self._had.items() if still(*had)}

    def clipped(self, kind: str, limit: float, norm: float, weights: list[Tensor]) -> None:
        """Gradients were clipped."""
        if not self.lean:
            self.drafts.events.append(Clipped(kind, float(limit), float(norm), [id(weight) for weight in weights], self.places.here()))

    def before_step(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType | None) -> Any:
        """Torch's hook before any optimiser's step; gives the arguments anew where one is a closure."""
        if not self.mine():
            return None
        if self.lean:
            self.rest.step(optimizer)
            return None
        if self._steps and self.stuck():
            self.recover()
        if self._steps:
            self.inner.add(id(optimizer))
        off = self.tracer.off
        popped = self.pause()
        if not self._steps:
            self._note_zero_by_hand()
            self.evaluations.close(self.updates)
        used = self.drafts.optimizer(optimizer, None)
        step = _Step(used, frame, off, popped, len(self.drafts.events), rates_of(optimizer), [], None)
        if not self._steps:
            step.place = self.places.here()
            step.before = [(weight, copy_of(glance(weight))) for weight in ends_of(optimizer)]
            used.started(self.networks, self.tracer)
            self._note_pending()
        self._steps.append(step)
        return self._with_closure(step, args, kwargs)

    def after_step(self, optimizer: Optimizer) -> None:
        """Torch's hook after it."""
        if not self.mine() or not self._steps or self._steps[-1].optimizer.optimizer is not optimizer:
            return
        step = self._steps.pop()
        if not self._steps:
            self._updated(step)
        self.resume(step.popped)

    def _updated(self, step: _Step) -> None:
        number = step.optimizer.number
        self.updates += 1
        self.drafts.rate(number, step.rates)
        if self.lean:
            self.tracer.step += 1
            self.drafts.late += 1
            self.drafts.late_in_eval += not any(root.module.training for root in self.networks.roots)
            return
        if self.inside:
            self.trains_inside()
            return
        if step.runs > 1:
            del self.drafts.events[step.kept :]
            self.drafts.note("closure", step.place)
        moved = any(not torch.equal(glance(weight), before) for weight, before in step.before) or (
            bool(step.before)
            and max(step.rates, default=0.0) > 0
            and any(slope(w) for group in step.optimizer.optimizer.param_groups for w in group["params"])
        )
        self.drafts.events.append(Update(number, step.rates, moved, step.place, step.closure))
        self._advance()

    def _advance(self) -> None:
        self._pending = None
        self.tracer.advance()
        if self.updates >= self._keep_updates or self.budget.bytes > self._keep_bytes:
            self._slim()

    def _slim(self) -> None:
        """From now on only losses, rates and evaluations."""
        self.lean = True
        self._had.clear()
        self._by_hand.drop()
        self._wanted = False
        self._pop()
        self.tracer.forget()

    def lighten(self) -> None:
        """Closes the doors that are not needed when it is lean, once no step is going on."""
        if not self._light and not self._steps:
            self._light = True
            instruments.lighten(self, self._patches)

    def _with_closure(self, step: _Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not callable(closure):
            return None
        step.closure = True

        def again(*inner: Any, **more: Any) -> Any:
            off, self.tracer.off = self.tracer.off, step.off
            self._push()
            try:
                return closure(*inner, **more)
            finally:
                self._pop()
                self.tracer.off = off
                step.runs += 1
                if step.runs == 1:
                    step.kept = len(self.drafts.events)

        if "closure" in kwargs:
            return args, kwargs | {"closure": again}
        return (args[0], again, *args[2:]), kwargs

    def stuck(self) -> bool:
        """Whether a step that began is not running any more, because it raised and the user's code went on."""
        return bool(self._steps) and not instruments.runs(self._steps[0].frame)

    def recover(self) -> None:
        """After a step that raised."""
        self.tracer.off = self._steps[0].off
        self._steps.clear()
        self._push()

    # By hand

    def _changed_by_hand(self, kind: str, weight: Tensor, name: str, args: tuple[Any, ...]) -> None:
        """A weight or a gradient was changed in place by the user's code."""
        if self.lean:
            return
        place = self.places.here()
        if kind == "grad":
            if name == "zero_" or (name == "set" and (not args or args[0] is None)):
                self._zero_place = place
            elif name == "clamp_" and len(args) == 2 and args[0] == -args[1]:
                self.drafts.clamp(float(args[1]), place)
            elif name != "set" or self._pending is None:
                self.drafts.note("gradient", place)
        elif self.tracer.passes or self._pending is not None:
            self._by_hand.place = place
            if self.drafts.optimizers:
                self.drafts.later("weight", place)

    def _note_zero_by_hand(self) -> None:
        """Gradients that were there after the last backward and are nothing now, with no `zero_grad` in between."""
        if not all(still(*had) for had in self._had.values()):
            self.drafts.events.append(Zeroed(None, None, True, self._zero_place))
            self._had.clear()

    def _note_pending(self) -> None:
        """What `torch.autograd.grad` gave was used for an update: it was a backward."""
        if self._pending is None:
            return
        root, worth, place = self._pending
        self._pending = None
        self.drafts.events.append(Zeroed(None, None, True, place))
        passed = self._pass(root, place)
        self.drafts.lose(worth)
        self.drafts.events.append(passed)
        for found in passed.roots:
            found.settled = True

    def _note_step_by_hand(self, keep: bool = False) -> None:
        """An update that no optimiser made, since the last backward. keep: another backward follows."""
        if not self._by_hand.waiting:
            return
        step = self._by_hand.step()
        if step is None:
            if keep:
                self._by_hand.drop()
            return
        self.evaluations.close(self.updates)
        self.updates += 1
        self._note_pending()
        if step.rate is None:
            self.drafts.note("step", step.place)
        else:
            number = self.drafts.descent(step)
            self.drafts.rate(number, (step.rate,))
            self.drafts.events.append(Update(number, (step.rate,), True, step.place))
        self._advance()

    def made_loader(self, use: LoaderUse) -> None:
        self.drafts.loaders.append(use)
