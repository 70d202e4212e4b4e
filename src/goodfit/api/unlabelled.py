"""What the plan has to know of tasks that need no target: which network suits them, and which settings have no effect on them."""

from __future__ import annotations

from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Schema
from goodfit.data.target import UNLABELLED, TargetSpec
from goodfit.models import catalogue

# Settings of the ordinary loop that the game of two networks does not have.
_NOT_IN_A_GAME = (
    "train.accumulate", "train.mixup", "train.label_smoothing", "train.members", "train.workers", "optim.schedule", "optim.l1", "optim.l2",
    "optim.max_norm", "data.balance",
)  # fmt: skip


def network_for(name: str | None, schema: Schema, target: TargetSpec) -> str:
    """The network asked for, or the default of the task; raises SettingError where it is made for something else."""
    pictures = any(column.kind == "image" for column in schema.features)
    usual = "dcgan" if target.kind == "generation" else "conv_autoencoder" if pictures else "autoencoder"
    return suited(name or usual, target)


def suited(name: str, target: TargetSpec) -> str:
    """The name; raises SettingError where a network without a target is asked for one, or the other way round."""
    tasks = catalogue.entry(name).tasks
    if target.kind not in tasks and (target.kind in UNLABELLED or set(tasks) & set(UNLABELLED)):
        fitting = [other for other in catalogue.names() if target.kind in catalogue.entry(other).tasks]
        raise SettingError(
            f"the network {name!r} is for {' or '.join(tasks)}; for {target.kind} take "
            + (" or ".join(fitting) if len(fitting) < 5 else f"another, or --task {tasks[0]}"),
            value=name,
        )
    return name


def refuse_without_effect(request: Recipe, target: TargetSpec) -> None:
    """Raises SettingError for a setting that was given and is of another task."""
    if target.kind in UNLABELLED and request.given("data.normalise"):
        raise SettingError(f"data.normalise has no effect on {target.kind}, whose pixels lie from -1 to 1; leave it out")
    if target.kind != "generation":
        if request.given("train.gan_loss"):
            raise SettingError(
                f"train.gan_loss has no effect on {target.kind}; leave it out, or generate pictures with --task generation",
                value=request.train.gan_loss,
            )
        return
    for name in _NOT_IN_A_GAME:
        if request.given(name):
            raise SettingError(f"{name} has no effect on generation, where two networks play against each other; leave it out", value=name)
    if request.train.precision == "bfloat16" and request.train.gan_loss == "wasserstein":
        raise SettingError(
            "the gradient penalty of train.gan_loss=wasserstein needs train.precision=float32; leave bfloat16 out", value="bfloat16"
        )
    if request.partner is not None:
        raise SettingError("a partner has no effect on generation, where two networks play against each other; leave it out")
