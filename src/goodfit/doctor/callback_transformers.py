"""The doctor beside transformers' Trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch.optim import Optimizer

from goodfit.base.errors import InputError
from goodfit.doctor.callback import Beside


class TrainerCallback(Beside):
    """Examines each `train` when it has ended.

    >>> from transformers import Trainer  # doctest: +SKIP
    >>> Trainer(model, arguments, train_dataset=rows, callbacks=[TrainerCallback()]).train()  # doctest: +SKIP

    Accumulation, clipping, precision and evaluations are seen as they are; of several processes or devices nothing is.
    """

    framework = "transformers.Trainer(callbacks=[...])"
    packages = ("transformers", "accelerate")
    words: ClassVar[Mapping[str, str]] = {
        "optim.rate-high": "In transformers: TrainingArguments(learning_rate=...).",
        "optim.rate-low": "In transformers: TrainingArguments(learning_rate=...).",
        "optim.choice": "In transformers: TrainingArguments(optim=...).",
        "optim.budget": "In transformers: TrainingArguments(num_train_epochs=...).",
        "optim.batch": "In transformers: TrainingArguments(per_device_train_batch_size=..., gradient_accumulation_steps=...).",
        "gradient.exploding": "In transformers: TrainingArguments(max_grad_norm=...).",
        "fit.over-regularised": "In transformers: TrainingArguments(weight_decay=...), and the dropout of the model's config.",
        "fit.overfitting": "In transformers: TrainingArguments(num_train_epochs=..., weight_decay=...), or an EarlyStoppingCallback.",
        "numeric.non-finite": "In transformers: TrainingArguments(fp16=False, bf16=False, learning_rate=...).",
        "data.targets-unscaled": "In transformers: standardise the column of labels in the dataset, and scale the predictions back.",
        "data.inputs-unscaled": "In transformers: scale the column in the dataset or in data_collator.",
    }  # fmt: skip

    @classmethod
    def _bases(cls) -> tuple[type, ...]:
        try:
            from transformers import TrainerCallback as Base
        except ModuleNotFoundError:
            raise InputError(
                "TrainerCallback needs transformers with accelerate, which are not installed; install them with: pip install transformers accelerate"
            ) from None
        return (Base,)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if args.world_size > 1 or args.n_gpu > 1:
            print("goodfit doctor: a training on several devices is not examined; let the Trainer see one device for an examination")
            return
        optimizer: Any = kwargs.get("optimizer")
        while isinstance(getattr(optimizer, "optimizer", None), Optimizer):
            optimizer = optimizer.optimizer  # accelerate wraps it
        self._begin([kwargs["model"]], [] if optimizer is None else [optimizer])

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._finish()
