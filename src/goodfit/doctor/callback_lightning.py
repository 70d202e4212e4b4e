"""The doctor beside Lightning's Trainer, of the package lightning or of pytorch_lightning."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from goodfit.base.errors import InputError
from goodfit.doctor.callback import Beside


class LightningCallback(Beside):
    """Examines each `fit` when it has ended.

    >>> import lightning.pytorch as pl  # doctest: +SKIP
    >>> pl.Trainer(callbacks=[LightningCallback()]).fit(module, loader)  # doctest: +SKIP

    Automatic and manual optimisation, accumulation, clipping, precision and validation loops are seen as they are; of several processes nothing is.
    """

    framework = "lightning.pytorch.Trainer(callbacks=[...])"
    packages = ("lightning", "pytorch_lightning", "lightning_fabric")
    words: ClassVar[Mapping[str, str]] = {
        "optim.rate-high": "In Lightning the rate is that of the optimiser which configure_optimizers returns.",
        "optim.rate-low": "In Lightning the rate is that of the optimiser which configure_optimizers returns.",
        "optim.choice": "In Lightning configure_optimizers returns the optimiser.",
        "optim.budget": "In Lightning: Trainer(max_epochs=...).",
        "optim.batch": "In Lightning: DataLoader(batch_size=...), or Trainer(accumulate_grad_batches=...).",
        "gradient.exploding": "In Lightning: Trainer(gradient_clip_val=...).",
        "loop.zero-grad": "In Lightning's manual optimisation: call opt.zero_grad() before self.manual_backward(loss), or leave automatic_optimization at True.",
        "loop.no-step": "In Lightning's manual optimisation: call self.optimizers().step() after self.manual_backward(loss).",
        "loop.mode": "In Lightning modules are in training mode in training_step unless one was put into eval mode when it was made: call its train() in on_train_start.",
        "loop.order": "In Lightning: DataLoader(shuffle=True) for the training rows.",
        "numeric.non-finite": "In Lightning Trainer(detect_anomaly=True) names the operation; Trainer(precision=...) sets the precision.",
    }  # fmt: skip

    _completed = False

    @classmethod
    def _bases(cls) -> tuple[type, ...]:
        loaded = [sys.modules[name] for name in ("lightning.pytorch", "pytorch_lightning") if name in sys.modules]
        if not loaded:
            try:
                import lightning.pytorch as package
            except ModuleNotFoundError:
                try:
                    import pytorch_lightning as package  # type: ignore[no-redef]
                except ModuleNotFoundError:
                    raise InputError(
                        "LightningCallback needs Lightning, which is not installed; install it with: pip install lightning"
                    ) from None
            loaded = [package]
        return tuple(module.Callback for module in loaded)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Before the optimisers are made, so that the line that makes them is seen."""
        self._completed = False
        if stage != "fit":
            return
        if trainer.world_size > 1:
            print("goodfit doctor: a training in several processes is not examined; give Trainer(devices=1) for an examination")
            return
        self._begin()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        self._completed = True

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._end()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if stage != "fit":
            return
        self._end()
        if self._completed:  # searches for a rate or a batch size end a fit in its middle
            self._finish()
