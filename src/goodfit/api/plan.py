"""From the recipe as it was given to the recipe that is run: every None decided, by data and machine, never by chance.

What is decided here is a function of the data's shape, the preset and the number of threads, so that the same call on the
same kind of machine trains the same network. Only precision and rate are measured, later, and recorded in the recipe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from goodfit.api.graph_plan import FEW_ROWS as FEW_GRAPHS
from goodfit.api.graph_plan import graph_kind, graph_settings
from goodfit.api.unlabelled import network_for, suited
from goodfit.base.errors import DataError, SettingError
from goodfit.base.machine import machine_memory
from goodfit.base.parts import DataPart
from goodfit.base.recipe import Recipe
from goodfit.data.dataset import Schema
from goodfit.data.encoded import Encoded
from goodfit.data.stream import shares
from goodfit.data.target import STRUCTURED, UNLABELLED, TargetSpec
from goodfit.models import catalogue
from goodfit.tasks.voices import STEPWISE


@dataclass(frozen=True)
class Habit:
    """How a family of networks is usually trained.

    lr: the rate around which the range test looks. epochs: planned passes where a schedule needs a plan, else the most.
    """

    optim: str
    lr: float
    weight_decay: float
    schedule: str
    warmup: float
    clip: float | None
    epochs: int
    patience: int
    batch: int | None = None  # None: by rows, see BATCH_BY_ROWS
    beta2: float | None = None
    label_smoothing: float = 0.0
    ema: float | None = None
    momentum: float | None = None  # None: by the optimiser and the schedule
    layer_decay: float | None = None


# The decay is decoupled: SGD's usual coupled 5e-4 with momentum 0.9 is 5e-3 here.
# Sources: TabM (Gorishniy et al. 2025), RealMLP (Holzmueller et al. 2024), airbench (Jordan 2024), nanoGPT.
HABITS: dict[str, Habit] = {
    **dict.fromkeys(("ridge", "lasso", "svm"), Habit("adamw", 1e-2, 0.0, "constant", 0.0, None, 1, 1)),  # solved: none of it is used
    # Squared errors fall for as long as a network is trained: a planned course that ends at rate 0.
    "autoencoder": Habit("adamw", 2e-3, 1e-4, "cosine", 0.05, 1.0, 200, 200, batch=64),
    "conv_autoencoder": Habit("adamw", 2e-3, 1e-4, "cosine", 0.05, 1.0, 60, 60, batch=64),
    # Rate and betas are those of the game (see tasks.generation). An average of the weights makes the pictures.
    "dcgan": Habit("adam", 1e-3, 0.0, "constant", 0.0, None, 150, 150, batch=64, ema=0.999),
    "linear": Habit("adamw", 1e-2, 1e-4, "cosine", 0.05, None, 60, 60),  # convex: a plan that ends at rate 0 finds the minimum
    # A constant rate with averaged weights, then, when nothing is gained or the time runs short, one that falls to 0 from the best weights. Against
    # TabM's own constant rate: letter 0.0285 for 0.036, satellite 0.077 for 0.084 (test error, one seed: trials, not results).
    # Falling from the best weights rather than from the last: ames 0.1104 for 0.1161, diamonds 0.0878 for 0.0873 (an MLP, validation rows).
    "mlp": Habit("adamw", 4e-3, 3e-2, "wsd", 0.0, 1.0, 400, 10, ema=0.998),
    "tabm": Habit("adamw", 3e-3, 3e-4, "wsd", 0.0, 1.0, 400, 10, ema=0.998),
    "realmlp": Habit("adamw", 4e-2, 1e-2, "cosine", 0.0, None, 256, 256, batch=256, beta2=0.95),
    "mixed": Habit("adamw", 1e-3, 1e-3, "constant", 0.0, 1.0, 60, 8, batch=64),
    "resnet9": Habit("sgd", 0.1, 5e-3, "one-cycle", 0.2, None, 16, 16, batch=128, label_smoothing=0.1, momentum=0.9),
    # A pass costs 0.4 million multiply-adds an image, so that 40 of them in small batches are cheap.
    "lenet5": Habit("sgd", 0.05, 5e-3, "one-cycle", 0.2, None, 40, 40, batch=64, label_smoothing=0.1, momentum=0.9),
    # Residual networks and VGG as resnet9, which has the same convolutions and norms, and needs fewer passes.
    **dict.fromkeys(
        ("vgg", "resnet18", "resnet34", "resnet50", "resnet20", "resnet56"),
        Habit("sgd", 0.1, 5e-3, "one-cycle", 0.2, None, 24, 24, batch=128, label_smoothing=0.1, momentum=0.9),
    ),
    # CCT's rate, decay, warm-up and smoothing (Hassani et al. 2021) for batches of 128; here half of that, since few images give few updates. The gradient
    # is clipped as ViT's (Dosovitskiy et al. 2021).
    "vit": Habit("adamw", 5.5e-4, 6e-2, "cosine", 0.1, 1.0, 60, 60, batch=64, label_smoothing=0.1),
    "bag": Habit("adamw", 1.4e-2, 0.0, "cosine", 0.05, None, 10, 10, batch=64, label_smoothing=0.1),
    "series_rnn": Habit("adamw", 1e-3, 1e-2, "cosine", 0.05, 1.0, 60, 60, batch=32),
    "series_lstm": Habit("adamw", 2e-3, 1e-2, "cosine", 0.05, 1.0, 60, 60, batch=32),
    "series_gru": Habit("adamw", 2e-3, 1e-2, "cosine", 0.05, 1.0, 60, 60, batch=32),
    # The loss falls fast from the naive forecast, which the network starts as. On co2 the validation rows are best after 18 of 40 passes.
    **dict.fromkeys(("forecast_lstm", "forecast_gru", "forecast_rnn"), Habit("adamw", 2e-3, 1e-2, "cosine", 0.05, 1.0, 20, 20, batch=64)),
    "lstm_tagger": Habit("adamw", 2e-3, 1e-2, "cosine", 0.05, 1.0, 8, 8, batch=32),
    "transformer_tagger": Habit("adamw", 1e-3, 1e-2, "cosine", 0.1, 1.0, 8, 8, batch=32),
    "seq2seq_transformer": Habit("adamw", 1e-3, 1e-2, "cosine", 0.1, 1.0, 30, 30, batch=128, label_smoothing=0.1, beta2=0.98),
    # A point more or less of the rate is lost in its course; large batches are many times faster on short lists.
    "pointer_transformer": Habit("adamw", 1e-3, 1e-2, "cosine", 0.05, 1.0, 30, 30, batch=256, beta2=0.98),
    "pointer": Habit("adamw", 1e-3, 1e-2, "cosine", 0.05, 1.0, 30, 30, batch=128),
    # Adam as DETR has it, at a rate for a tenth of its size; with small batches a few thousand pictures give updates enough.
    "anchor_detr": Habit("adamw", 1e-3, 1e-2, "cosine", 0.05, 1.0, 60, 60, batch=16, beta2=0.98),
    "detr": Habit("adamw", 5e-4, 1e-2, "cosine", 0.05, 1.0, 150, 150, batch=32, beta2=0.98),
    "attention_rnn": Habit("adamw", 2e-3, 1e-2, "cosine", 0.05, 1.0, 20, 20, batch=256, label_smoothing=0.1),
    # Half of Kipf and Welling's rate, at more dropout for nodes. gin on esol (three folds): RMSE 0.636 for 0.644 at 2e-3.
    "gcn": Habit("adamw", 5e-3, 1e-2, "cosine", 0.0, 1.0, 100, 100, batch=64),
    "graphsage": Habit("adamw", 5e-3, 1e-2, "cosine", 0.0, 1.0, 100, 100, batch=64),
    "gat": Habit("adamw", 5e-3, 1e-2, "cosine", 0.0, 1.0, 100, 100, batch=64),
    "gatv2": Habit("adamw", 5e-3, 1e-2, "cosine", 0.0, 1.0, 100, 100, batch=64),
    "gin": Habit("adamw", 5e-3, 1e-2, "cosine", 0.05, 1.0, 100, 100, batch=64),
    # nanoGPT's betas and schedule; Muon for the hidden matrices needs about three quarters of AdamW's updates (Jordan 2024). Small
    # batches, since minutes of two cores are a thousand updates: fortunes has 2.14 bits per character after nine minutes of one core.
    "gpt": Habit("muon", 3e-3, 1e-2, "cosine", 0.02, 1.0, 20, 20, batch=8, beta2=0.95),
    "lstm_language": Habit("adamw", 4e-3, 1e-2, "cosine", 0.02, 1.0, 20, 20, batch=16, beta2=0.95),
    # Small batches, since captioned pictures are few. On 152 validation rows of emoji the GRU had an F1 of the words of .10, the transformer .08.
    "captioner": Habit("adamw", 1e-3, 5e-2, "cosine", 0.1, 1.0, 50, 50, batch=16, label_smoothing=0.1),
    "caption_rnn": Habit("adamw", 2e-3, 5e-2, "cosine", 0.1, 1.0, 50, 50, batch=16, label_smoothing=0.1),
    "transformer": Habit("adamw", 5e-4, 1e-2, "cosine", 0.1, 1.0, 10, 10, batch=32, label_smoothing=0.1),
    "gru": Habit("adamw", 2e-3, 1e-2, "cosine", 0.1, 1.0, 10, 10, batch=32),
    # Backbones that learn on: BERT's rate, decay and warm-up (Devlin et al. 2019) with more passes, as few rows want (Mosbach et al. 2021), the rate
    # falling by depth (Clark et al., ELECTRA, 2020: 0.8 for 12 layers).
    **dict.fromkeys(
        ("pretrained", "backbone"), Habit("adamw", 1e-4, 1e-2, "cosine", 0.1, 1.0, 10, 10, batch=32, label_smoothing=0.1, layer_decay=0.8)
    ),
    # The head alone, on features that are computed already: an update costs next to nothing, and a plan that ends at rate 0 finds the minimum. Decay and
    # dropout by five-fold validation on 1,016 emoji with EfficientNet-Lite0's features (log loss, accuracy): decay 0.1 1.003 and 0.706, 3 0.972 and 0.718,
    # 10 0.960 and 0.719; with dropout 0.5, decay 0.1 0.973 and 0.711, 3 0.936 and 0.718.
    "probe": Habit("adamw", 1e-3, 3.0, "cosine", 0.05, None, 60, 60, batch=32),
    "own": Habit("adamw", 1e-3, 1e-2, "cosine", 0.05, 1.0, 30, 30, batch=64),
}
GRAPHS = ("gcn", "graphsage", "gat", "gatv2", "gin")
# TabM's sizes by training rows (TECHNIQUES: below 2.8k 32, 4.5k 64, 6.4k 128, 32k 256, 108k 512, else 1024)
# The average of the weights looks back 500 updates; where an epoch has few, 100.
MLP_BATCH = 128  # at least: one network's update is too small to fill a core with fewer rows
EMA_FEW, FEW_ROWS = 0.99, 3_000
BATCH_BY_ROWS = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (108_000, 512), (None, 1024))
# Tokens of a text: a bag of words costs as much per token as it is long, and 20 newsgroups still gain at some thousands (words alone, test rows of
# one seed: 0.843 at 256, 0.853 at 1,024, 0.858 at 4,096; three seeds gain 0.002 on average); attention pays the square.
# Tasks whose networks are told by what they read or answer, rather than by the kinds of columns.
_INPUT = {
    "sequence": "source", "forecast": "window", "language": "stream", "caption": "caption", "pointing": "points", "detection": "boxes",
}  # fmt: skip
MAX_TOKENS = {"bag": 4096, "linear": 4096, "transformer": 2048}
TIME_LIMIT = {"fast": 60.0, "good": 600.0, "best": 3600.0}  # seconds: a coffee, a meeting, a lunch
MEMBERS = {"fast": 1, "good": 1, "best": 8}  # networks averaged; beyond eight the gain per network is small
# Tables have two networks on the same rows, whose mistakes differ: an MLP learns large tables in a fraction of TabM's time, TabM overfits
# small ones less. `good` gives them this many folds (of at least FOLDS, so that each learns from most rows), as far as the time allows.
PARTNER = {"tabm": "mlp"}
FOLDED = {"fast": 1, "good": 4, "best": 8}
FOLDS = 6
# Fewer series than these are learned by as many networks on as many folds: JapaneseVowels (270 series) 0.978 and 0.981 for 0.959 and 0.960 (LSTM, GRU).
FEW_SERIES = 5_000
MANY_ROWS = 1_000_000  # from here on one split serves as well as folds do
# Shares of the time left that the two networks may take on the first fold: what is left then goes to the other folds.
FIRST = {"partner": 0.25, "main": 0.5}
# Networks side by side in processes of their own: each takes four seconds to start and its own copy of the rows.
ROWS_OF_A_WORKER, LIMIT_OF_A_WORKER = 1_000, 20.0
MEMORY_OF_WORKERS, MEMORY_OF_A_WORKER = 0.5, 1 << 29  # share of the machine's, and the bytes that one takes without its rows
_OF_TRAINING = (
    "epochs",
    "patience",
    "batch_size",
    "accumulate",
    "label_smoothing",
    "loss",
    "mixup",
)  # what a network that is solved for has no use for
NEVER = 100_000  # the largest patience
PATIENCE = {"fast": 0.5, "good": 1.0, "best": 1.0}  # times the family's


def data_settings(recipe: Recipe, name: str) -> DataPart:
    """The recipe's data part, with the length of texts and the runs of letters that suit the network where none were given."""
    tokens = recipe.data.max_tokens if recipe.given("data.max_tokens") else MAX_TOKENS.get(name, 256)
    return recipe.data.model_copy(update={"max_tokens": tokens, "grams": catalogue.grams(name, recipe.data.grams)})


def refuse_brought(recipe: Recipe, target: TargetSpec) -> None:
    """Raises SettingError where the network that the user brings is not for the task, before it is opened."""
    name = recipe.model.name
    if name in catalogue.BROUGHT and target.kind not in (known := catalogue.entry(name).tasks):
        others = " or ".join(catalogue.for_task(target.kind))
        raise SettingError(f"the network {name!r} is for {', '.join(known)}, and the task is {target.kind}; take {others}", value=name)


def network_name(recipe: Recipe, schema: Schema, rows: int, target: TargetSpec) -> str:
    """The network by name: the one asked for, or the default for the kinds of columns."""
    if target.kind in UNLABELLED:
        return network_for(recipe.model.name, schema, target)
    # What finds objects reads pictures as others do, so that the inputs do not tell them apart.
    if recipe.model.name and ("detection" in catalogue.entry(recipe.model.name).tasks) != (target.kind == "detection"):
        raise SettingError(
            f"the network {recipe.model.name!r} is for {', '.join(catalogue.entry(recipe.model.name).tasks)}, and the task is {target.kind}; take "
            + " or ".join(catalogue.for_task(target.kind)),
            value=recipe.model.name,
        )
    if target.kind in _INPUT:
        return recipe.model.name or catalogue.choose({_INPUT[target.kind]}, rows, recipe.preset)
    read = [column for column in schema.features if column.kind not in ("identifier", "constant")]
    kinds = {str(column.kind) for column in read}
    if (graph := graph_kind(read)) is not None:
        return recipe.model.name or catalogue.choose({graph}, rows, recipe.preset)
    alone = next((column for column in read if column.kind in ("series", "tokens")), None)
    if alone is not None and len(kinds) > 1:
        others = ", ".join(sorted(kinds - {alone.kind}))
        raise DataError(
            f"a network reads {alone.kind} alone, and {alone.name!r} stands beside columns of other kinds ({others}); leave it out with "
            f"data.drop={alone.name}, or leave out the others",
            column=alone.name,
        )
    return suited(recipe.model.name or catalogue.choose(kinds, rows, recipe.preset), target)


def partner_name(recipe: Recipe, name: str) -> str | None:
    """The second network where nobody decided anything about the first."""
    if recipe.partner is not None:
        return recipe.partner.model.name
    decided = (
        recipe.model.model_fields_set
        | recipe.optim.model_fields_set
        | (recipe.train.model_fields_set & {"epochs", "patience", "batch_size"})
    )
    return None if decided else PARTNER.get(name)


def member_count(recipe: Recipe, name: str, rows: int, target: TargetSpec) -> int:
    """Folds to train networks on and average. rows: those that may be trained on. Raises SettingError where there is nothing to average."""
    if target.kind in ("language", *STRUCTURED, *UNLABELLED) and target.kind not in STEPWISE:
        if (recipe.train.members or 1) > 1:
            raise SettingError(
                f"train.members={recipe.train.members} averages probabilities, and {target.kind} has none; leave it out",
                value=recipe.train.members,
            )
        return 1
    if recipe.train.members or recipe.train.epochs is not None or catalogue.entry(name).solved:
        return recipe.train.members or 1
    if name in catalogue.BROUGHT:
        return MEMBERS[recipe.preset]
    if ((name.startswith(("series_", "forecast_")) or target.kind in STEPWISE) and rows < FEW_SERIES) or (
        name in GRAPHS and rows < FEW_GRAPHS
    ):
        return FOLDED[recipe.preset]
    if partner_name(recipe, name) is None:
        return MEMBERS[recipe.preset]
    return FOLDED[recipe.preset] if rows < MANY_ROWS else 1


def resolve(recipe: Recipe, inputs: dict[str, Any], *, name: str, rows: int, outputs: int, members: int, target: TargetSpec) -> Recipe:
    """The recipe with model, optimiser, batch size, epochs, patience, time limit and partner decided.

    inputs: the encoder's description of the network's inputs. rows: training rows. outputs: O of the task. members: folds that are trained on.
    target: what is learned.
    """
    other = partner_name(recipe, name)
    first = _resolved(
        recipe,
        inputs,
        name=name,
        rows=rows,
        outputs=outputs,
        members=members,
        target=target,
        share=1 / members if other is None else FIRST["main"],
    )
    if other is None:
        return first
    asked = recipe.second or recipe.with_(model__name=other)
    second = _resolved(asked, inputs, name=other, rows=rows, outputs=outputs, members=members, target=target, share=FIRST["partner"])
    return first.with_second(second)


def _resolved(
    recipe: Recipe, inputs: dict[str, Any], *, name: str, rows: int, outputs: int, members: int, target: TargetSpec, share: float
) -> Recipe:
    """One network's recipe. share: of the time limit, for which it is sized."""
    threads = recipe.train.threads or torch.get_num_threads()
    limit = recipe.train.time_limit
    if limit is None and recipe.train.epochs is None:
        limit = TIME_LIMIT[recipe.preset]
    given = {
        key: getattr(recipe.model, key) for key in recipe.model.model_fields_set if key != "name" and getattr(recipe.model, key) is not None
    }
    settings = catalogue.defaults(
        name,
        inputs,
        rows=rows,
        outputs=outputs,
        time_limit=None if limit is None else share * limit,
        threads=threads,
        preset=recipe.preset,
        numeric=target.numeric,
    )
    settings |= catalogue.checked(name, given)
    if catalogue.entry(name).solved:
        return _solved(recipe, name, settings, target, members=members, limit=limit, threads=threads)
    habit = habit_of(recipe, name, target.kind)
    optim = recipe.optim
    data = data_settings(recipe, name)
    changes: dict[str, Any] = {"model__name": name, "data__max_tokens": data.max_tokens, "data__grams": data.grams} | {
        f"model__{key}": value for key, value in settings.items()
    }
    if target.kind == "language":
        changes |= {f"data__{share}": value for share, value in shares(recipe.data).items()}
    optimiser = optim.name or habit.optim
    changes["optim__name"] = optimiser
    if optim.weight_decay is None:
        changes["optim__weight_decay"] = habit.weight_decay
    if habit.momentum is not None and optimiser == habit.optim and not recipe.given("optim.momentum"):
        changes["optim__momentum"] = habit.momentum
    if optim.schedule is None:
        changes["optim__schedule"] = habit.schedule
    if optim.warmup is None and (optim.schedule is None or optim.schedule in ("cosine", "one-cycle", "wsd")):
        changes["optim__warmup"] = habit.warmup
    if habit.layer_decay is not None and optim.layer_decay is None:
        changes["optim__layer_decay"] = habit.layer_decay
    if optim.clip is None and habit.clip is not None and "clip" not in optim.model_fields_set:
        changes["optim__clip"] = habit.clip
    if habit.beta2 is not None and optimiser in ("adam", "adamw") and not recipe.given("optim.beta2"):
        changes["optim__beta2"] = habit.beta2
    if (
        habit.label_smoothing
        and not recipe.given("train.label_smoothing")
        and recipe.train.loss is None
        and target.kind in ("binary", "multiclass", "sequence", "caption")
    ):
        changes["train__label_smoothing"] = habit.label_smoothing
    epochs = recipe.train.epochs
    changes["train__epochs"] = epochs or habit.epochs
    if recipe.train.patience is None:
        changes["train__patience"] = max(2, int(habit.patience * PATIENCE[recipe.preset])) if epochs is None else min(epochs + 1, NEVER)
    batch = recipe.train.batch_size or habit.batch or max(batch_by_rows(rows), MLP_BATCH if name == "mlp" else 1)
    changes["train__batch_size"] = batch
    if habit.ema is not None and not recipe.given("optim.ema"):
        changes["optim__ema"] = average_decay(habit.ema, rows, None if epochs is None else epochs * max(rows // batch, 1))
    changes |= graph_settings(recipe, inputs, rows)
    changes |= {"train__time_limit": limit, "train__members": members, "train__threads": threads}
    changes |= {"data__horizon": target.course.horizon, "data__season": target.course.season} if target.course else {}
    return recipe.with_(**{key: value for key, value in changes.items() if value is not None})


def _solved(
    recipe: Recipe, name: str, settings: dict[str, Any], target: TargetSpec, *, members: int, limit: float | None, threads: int
) -> Recipe:
    """The recipe of a network that is solved for. Raises SettingError for a target that it does not serve and for settings without effect on it."""
    known = catalogue.entry(name).tasks
    if target.kind not in known:
        raise SettingError(f"{name} is solved for {', '.join(known)}; the target is {target.kind}: take model.name=linear", value=name)
    if name != "ridge" and recipe.model.penalty == 0:
        raise SettingError(f"the penalty of {name} must be above 0; model.penalty=0 was given, which ridge takes", value=0)
    without = [f"optim.{field}" for field in sorted(recipe.optim.model_fields_set) if getattr(recipe.optim, field) is not None]
    without += [f"train.{field}" for field in _OF_TRAINING if recipe.given(f"train.{field}") and getattr(recipe.train, field) is not None]
    if without:
        raise SettingError(f"{without[0]} has no effect on {name}, whose weights are solved for; leave it out", value=without[0])
    idle, kind = ("loss", "numbers") if target.numeric else ("tube", "classes")
    if getattr(recipe.model, idle) is not None:
        raise SettingError(f"model.{idle} has no effect on {kind}; leave it out", value=getattr(recipe.model, idle))
    changes = {f"model__{key}": value for key, value in settings.items() if key != idle}
    changes |= {"model__name": name, "train__time_limit": limit, "train__members": members, "train__threads": threads}
    return recipe.with_(**{key: value for key, value in changes.items() if value is not None})


def worker_count(recipe: Recipe, encoded: Encoded, rows: int, device: torch.device) -> int:
    """Processes that train the networks of a resolved recipe: as many as there are networks and threads, where it is worth starting them.

    Raises SettingError where several were asked for and cannot be had.
    """
    asked = recipe.train.workers
    if device.type != "cpu":
        if asked is not None and asked > 1:
            raise SettingError(f"train.workers={asked} is for networks on the CPU; device is {device}, leave it out", value=asked)
        return 1
    networks = (recipe.train.members or 1) * (1 if recipe.partner is None else 2)
    if networks == 1 or asked is not None:
        return min(asked or 1, networks)
    limit = recipe.train.time_limit
    if rows < ROWS_OF_A_WORKER or (limit is not None and limit < LIMIT_OF_A_WORKER):
        return 1
    size, most = encoded.nbytes(), MEMORY_OF_WORKERS * machine_memory()
    if encoded.folder is not None and size > most:
        return 1  # two would take turns to drive each other's pages out
    room = int(most / (MEMORY_OF_A_WORKER + (0 if encoded.folder is not None else size)))  # mapped data are shared
    return max(1, min(networks, recipe.train.threads or torch.get_num_threads(), room))


def average_decay(usual: float, rows: int, updates: int | None) -> float | None:
    """Decay of the average of the weights: the family's, shorter where an epoch has few updates, and a tenth of a training of known length."""
    decay = usual if rows >= FEW_ROWS else min(usual, EMA_FEW)
    if updates is None or (1 - decay) * updates >= 10:
        return decay
    return 1 - 10 / updates if updates >= 20 else None


def batch_by_rows(rows: int) -> int:
    """Rows of an update for a table of this many training rows."""
    return next(size for below, size in BATCH_BY_ROWS if below is None or rows < below)


def habit_of(recipe: Recipe, name: str, kind: str) -> Habit:
    """How the network is usually trained for a task of this kind: a head on a frozen backbone unlike the backbone itself."""
    if recipe.model.frozen:
        return HABITS["caption_rnn" if kind == "caption" else "probe"]
    return HABITS[name]


def usual_rate(recipe: Recipe, kind: str) -> float:
    """The rate around which the range test looks: the family's, or that of an optimiser which works on another scale. kind: of the task."""
    habit = habit_of(recipe, recipe.model.name or "", kind)
    if recipe.optim.name == habit.optim or {recipe.optim.name, habit.optim} <= {"adam", "adamw", "rmsprop", "muon"}:
        # The noise of a gradient falls with the root of the batch, and with it the rate that is too large (Krizhevsky 2014).
        return habit.lr * (min(recipe.train.batch_size or 256, 256) / 256) ** 0.5 if recipe.model.name == "mlp" else habit.lr
    return {"sgd": 0.05, "adagrad": 0.02}.get(recipe.optim.name or "", 1e-3)
