"""The doctor beside Keras' `fit`, on torch."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from torch.optim import Optimizer

from goodfit.base.errors import InputError
from goodfit.doctor.callback import Beside, Within
from goodfit.doctor.instruments import quietly
from goodfit.doctor.keras_losses import readable, write_loss
from goodfit.doctor.keras_networks import KerasNetworks
from goodfit.doctor.keras_optimizers import KerasOptimizer, clipping_of, rate_of, twin_of


class KerasCallback(Beside):
    """Examines each `fit` when it has ended.

    >>> model.fit(x, y, callbacks=[KerasCallback()])  # doctest: +SKIP

    Keras must run on torch. Its losses and optimisers are read as those of torch that do the same; weights of rows and of classes are seen as operations.
    """

    framework = "model.fit(callbacks=[...])"
    packages = ("keras",)
    words: ClassVar[Mapping[str, str]] = {
        "optim.rate-high": "In Keras: model.compile(optimizer=keras.optimizers.Adam(learning_rate=...)).",
        "optim.rate-low": "In Keras: model.compile(optimizer=keras.optimizers.Adam(learning_rate=...)).",
        "optim.choice": "In Keras: model.compile(optimizer=...).",
        "optim.budget": "In Keras: model.fit(epochs=...).",
        "optim.batch": "In Keras: model.fit(batch_size=...).",
        "gradient.exploding": "In Keras: keras.optimizers.Adam(global_clipnorm=...).",
        "head.activation": "In Keras: the last Dense(activation=...) and the loss go together: softmax with SparseCategoricalCrossentropy(), none with from_logits=True.",
        "head.units": "In Keras: the number of the last Dense(units, ...).",
        "loss.family": "In Keras: model.compile(loss=...).",
        "loop.frozen": "In Keras: layer.trainable = True before model.compile().",
        "loop.order": "In Keras: model.fit(shuffle=True); a dataset or a generator is to shuffle by itself.",
        "fit.overfitting": "In Keras: model.fit(callbacks=[keras.callbacks.EarlyStopping(restore_best_weights=True)]).",
        "data.imbalance": "In Keras: model.fit(class_weight={...}).",
        "data.inputs-unscaled": "In Keras: a keras.layers.Normalization() that was adapted to the training rows, as the first layer.",
        "data.targets-unscaled": "In Keras: standardise y before model.fit, and scale the answers of model.predict back.",
    }  # fmt: skip

    @classmethod
    def _bases(cls) -> tuple[type, ...]:
        try:
            import keras
        except ModuleNotFoundError:
            raise InputError("KerasCallback needs Keras, which is not installed; install it with: pip install keras") from None
        if keras.backend.backend() != "torch":
            raise InputError(
                f"KerasCallback needs Keras on torch, and it runs on {keras.backend.backend()}; set KERAS_BACKEND=torch in the environment before Keras is imported"
            )
        return (keras.callbacks.Callback,)

    def on_train_begin(self, logs: Any = None) -> None:
        model: Any = self.model  # type: ignore[attr-defined]
        twins = _Twins()
        weights = [variable.value for variable in model.trainable_variables]
        first = [twins.of(model.optimizer, weights)] if model.optimizer is not None and weights else []
        recorder = self._begin([], first)
        if recorder is not None:
            _open(recorder, twins, self.not_seen)

    def on_train_end(self, logs: Any = None) -> None:
        self._finish()


class _Twins:
    """Of each optimiser of Keras' torch's own that stands for it."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, Optimizer]] = {}
        self.waited: dict[int, int] = {}  # batches whose gradients were gathered and not yet used

    def of(self, optimizer: Any, weights: list[Any]) -> Optimizer:
        if id(optimizer) not in self._made:
            self._made[id(optimizer)] = optimizer, twin_of(optimizer, weights)
        return self._made[id(optimizer)][1]


def _open(recorder: Within, twins: _Twins, not_seen: list[str]) -> None:
    """The doors of Keras through which a training goes, for as long as the recorder records."""
    import keras

    networks = KerasNetworks()
    tracer = recorder.tracer
    call, compute, apply = keras.layers.Layer.__call__, keras.losses.Loss.__call__, _owner(keras.optimizers.Optimizer, "apply").apply

    def aside() -> bool:
        return bool(tracer.off) or not recorder.mine()

    @functools.wraps(call)
    def called(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if aside():
            return call(layer, *args, **kwargs)
        network = networks.of(layer)
        network.training = bool(kwargs.get("training"))
        given = {name: value for name, value in kwargs.items() if name != "training"}
        return recorder.called(lambda *_, **__: call(layer, *args, **kwargs), network, args, given)

    @functools.wraps(compute)
    def computed(loss: Any, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        if aside() or not readable(loss, y_true, y_pred, sample_weight) or tracer.out_of(y_pred) is None:
            return compute(loss, y_true, y_pred, sample_weight)
        popped = recorder.pause()
        try:
            result = compute(loss, y_true, y_pred, sample_weight)
        finally:
            recorder.resume(popped)
        write_loss(tracer, loss, y_true, y_pred, result)
        return result

    @functools.wraps(apply)
    def applied(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
        if aside() or trainable_variables is None:
            return apply(optimizer, grads, trainable_variables)
        twin = twins.of(optimizer, [variable.value for variable in trainable_variables])
        gathered = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        waited = twins.waited[id(optimizer)] = twins.waited.get(id(optimizer), 0) % gathered + 1
        recorder.gathering = waited < gathered
        if recorder.gathering:
            return quietly(recorder, apply)(optimizer, grads, trainable_variables)
        _before(recorder, optimizer, twin, gathered, not_seen)
        try:
            return apply(optimizer, grads, trainable_variables)
        finally:
            recorder.after_step(twin)

    recorder.door(keras.layers.Layer, "__call__", called)
    recorder.door(keras.losses.Loss, "__call__", computed)
    recorder.door(_owner(keras.optimizers.Optimizer, "apply"), "apply", applied)
    # Sums of metrics are kept in parameters, and are no weights.
    for kind, name in ((keras.Model, "compute_metrics"), (keras.Model, "reset_metrics"), (keras.metrics.Mean, "update_state")):
        owner = _owner(kind, name)
        recorder.door(owner, name, quietly(recorder, getattr(owner, name)))


def _before(recorder: Within, optimizer: Any, twin: Optimizer, gathered: int, not_seen: list[str]) -> None:
    """An update of Keras' is about to be made: its rate and its clipping are told."""
    popped = recorder.pause()
    try:
        rate = rate_of(optimizer)
        # Keras takes the mean of the batches that it gathers, torch's loops their sum, and plain descent moves by as much more.
        plain = type(twin).__name__ == "SGD"
        for group in twin.param_groups:
            group["lr"] = rate / gathered if plain else rate
        clipping = None if isinstance(twin, KerasOptimizer) else clipping_of(optimizer)
        if clipping is not None:
            recorder.clipped(clipping[0], clipping[1], 2.0, [])
        sentence = "clipnorm clips the gradient of each weight by itself; short copies clip all of them together"
        if clipping is not None and getattr(optimizer, "clipnorm", None) and sentence not in not_seen:
            not_seen.append(sentence)
    finally:
        recorder.resume(popped)
    recorder.before_step(twin, (twin,), {}, sys._getframe(1))


def _owner(kind: type, name: str) -> Any:
    """The class that defines a method."""
    return next(one for one in kind.__mro__ if name in vars(one))
