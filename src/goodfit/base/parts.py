"""The settings of a run, part by part. Each bound stands once, in the field that it bounds.

`None` means *chosen from the data*. `json_schema_extra` says how a number is searched: on a log scale, over which range.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


def _seconds(value: Any) -> Any:
    """`90`, `"90s"`, `"10m"`, `"1.5h"` -> seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|min|sec)?\s*", value)):
        return float(match[1]) * {"s": 1, "sec": 1, None: 1, "m": 60, "min": 60, "h": 3600}[match[2]]
    return value


def _names(value: Any) -> Any:
    """`"a,b"` -> `("a", "b")`; a list stays one. Columns may be named by numbers."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple):
        return tuple(str(item) if isinstance(item, int | float) and not isinstance(item, bool) else item for item in value)
    return (str(value),) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _word(value: Any) -> Any:
    """YAML reads a bare yes or no as a truth value; here they are words."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


def _is_numeric(annotation: Any) -> bool:
    """Whether a type is a number, or a union or an annotation of one."""
    return annotation in (int, float) or any(_is_numeric(inner) for inner in get_args(annotation))


TaskName = Literal[
    "binary", "multiclass", "multilabel", "regression", "several", "tagging", "sequence", "forecast", "language", "caption", "pointing",
    "detection", "reconstruction", "generation",
]  # fmt: skip


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """`train.epochs: yes` is a mistake, not one epoch: pydantic alone would take true for 1."""
        if isinstance(value, bool) and _is_numeric(cls.model_fields[info.field_name or ""].annotation):
            raise PydanticCustomError("float_type", "must be a number")
        return value


class DataPart(Part):
    target: Names = Field(default=(), description="column or columns to predict")
    task: TaskName | None = Field(
        default=None, description="found from the target when None; forecast, reconstruction and generation must be asked for"
    )
    kinds: dict[
        str, Literal["number", "category", "boolean", "datetime", "text", "identifier", "image", "series", "tokens", "nodes", "edges"]
    ] = Field(default_factory=dict, description="kinds of columns where the guess is to be overruled")
    source: Names = Field(default=(), description="the one column to read where sequences are turned into others; all others are left out")
    drop: Names = Field(default=(), description="columns to leave out")
    weight: str | None = Field(default=None, description="column of sample weights, not negative")
    split: str | None = Field(default=None, description="column that says train, valid or test for each row")
    group: str | None = Field(default=None, description="column whose rows must stay in one part")
    time: str | None = Field(default=None, description="column to split by: the latest rows are the test set; when it is, in a forecast")
    horizon: int | None = Field(default=None, ge=1, le=10_000, description="steps to forecast; by the calendar or the season when None")
    season: int | None = Field(default=None, ge=1, le=10_000, description="steps after which a series repeats, 1 for none; found when None")
    valid_fraction: float = Field(default=0.15, gt=0, lt=0.9, description="share of the rows for validation")
    test_fraction: float = Field(default=0.15, ge=0, lt=0.9, description="share of the rows for the sealed test set; 0 for none")
    balance: Literal["none", "classes"] = Field(default="none", description="weight classes by the inverse of their frequency")
    image_size: int | None = Field(default=None, ge=8, le=1024, description="side of the square that images are brought to, pixels")
    augment: bool = Field(default=True, description="augment images in training")
    normalise: Literal["data", "imagenet", "unit"] | None = Field(
        default=None,
        description="what pixels are scaled by: mean and deviation of the training images, those of ImageNet, or unit: to -1 .. 1; by the network when None",
    )
    vocabulary: int = Field(default=30_000, ge=100, le=1_000_000, description="largest number of tokens learned from the training rows")
    tokens: Literal["word", "bpe"] = Field(default="word", description="kind of vocabulary; bpe needs the extra 'text'")
    max_tokens: int = Field(default=256, ge=4, le=65_536, description="tokens of a text that the network sees; the rest is cut")
    grams: int | None = Field(
        default=None,
        ge=0,
        le=8,
        description="runs of 2 to this many letters are read beside the tokens of a text; 0 for none, by the network when None",
    )
    spread_labels: bool = Field(
        default=True, description="where rows are nodes of a graph, labels of the training nodes are told to the others along its edges"
    )
    memory: float | None = Field(
        default=None,
        gt=0,
        description="GiB of encoded data that stay in memory; more is memory-mapped. A thirty-second of the machine's when None",
    )


class ModelPart(Part):
    name: str | None = Field(default=None, description="name in the catalogue, see `goodfit models`; chosen from the data when None")
    source: str | None = Field(default=None, description="folder or hub name of a pretrained backbone (model.name=pretrained)")
    frozen: bool | None = Field(default=None, description="keep a backbone as it is and learn its head alone; fine-tuned when false")
    arguments: dict[str, JsonValue] | None = Field(default=None, description="plain arguments of the function that makes your own network")
    width: int | None = Field(default=None, ge=1, le=16_384, description="units of a hidden layer, or channels of the first block")
    depth: int | None = Field(default=None, ge=0, le=1_000, description="hidden layers or blocks")
    members: int | None = Field(default=None, ge=1, le=512, description="K, the networks inside a TabM")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="probability that a hidden unit is zeroed in training")
    activation: Literal["relu", "leaky_relu", "gelu", "selu", "tanh", "sigmoid", "silu"] | None = Field(
        default=None, description="hidden activation"
    )
    norm: Literal["none", "batch", "layer"] | None = Field(default=None, description="normalisation between linear map and activation")
    embedding: Literal["none", "piecewise", "periodic"] | None = Field(default=None, description="embedding of numbers")
    embedding_dim: int | None = Field(default=None, ge=1, le=1_024, description="dimensions of a number's, category's or token's embedding")
    bins: int | None = Field(default=None, ge=2, le=1_024, description="quantile bins of a piecewise-linear embedding")
    latent_dim: int | None = Field(
        default=None, ge=1, le=16_384, description="numbers of an autoencoder's code, or of the noise that a generator makes pictures of"
    )
    noise: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="standard deviation of the noise that a denoising autoencoder takes away; inputs vary by about 1",
    )
    heads: int | None = Field(default=None, ge=1, le=256, description="attention heads")
    context: int | None = Field(default=None, ge=4, le=65_536, description="tokens of a text that attention reads, the first ones")
    words: bool | None = Field(default=None, description="add what the words of a text say by themselves, wherever they stand")
    crf: bool | None = Field(default=None, description="score tags together with the tags before them")
    bidirectional: bool | None = Field(default=None, description="read the sequence in both directions")
    stem: Literal["small", "imagenet", "convolution", "patch"] | None = Field(
        default=None, description="first layers of an image network: 3 x 3 or 7 x 7 (resnets), convolutions or one linear map (vit)"
    )
    residual: bool | None = Field(default=None, description="add a block's input to its output; the plain network of this depth without")
    convolutions: int | None = Field(default=None, ge=1, le=64, description="convolutions of a block")
    dense: int | None = Field(default=None, ge=0, le=64, description="hidden linear layers behind the convolutions")
    pool: Literal["none", "max", "mean", "class", "sum"] | None = Field(
        default=None,
        description="how places become one: after convolutions none, max or mean; of tokens mean or a class token; of a graph's nodes mean, sum or max",
    )
    queries: int | None = Field(
        default=None, ge=1, le=10_000, description="boxes that are answered for a picture, some of them 'no object'"
    )
    patch: int | None = Field(default=None, ge=1, le=256, description="pixels between the tokens of an image")
    penalty: float | None = Field(
        default=None,
        ge=0,
        le=1e12,
        description="of ridge, lasso and svm: alpha of least squares, 1/C of classes; by the validation rows when None",
        json_schema_extra={"log": True, "search": [1e-3, 1e3]},
    )
    loss: Literal["hinge", "squared_hinge"] | None = Field(default=None, description="what an svm of classes minimises")
    tube: float | None = Field(default=None, ge=0, le=1e6, description="standard deviations that an svm of numbers may be off for nothing")
    grams: int | None = Field(default=None, ge=0, le=8, description="runs of 2 to this many characters with a vector of their own")
    positions: Literal["learned", "sine", "rotary"] | None = Field(default=None, description="how tokens know their place")


class OptimPart(Part):
    name: Literal["sgd", "adagrad", "rmsprop", "adam", "adamw", "muon"] | None = Field(default=None, description="optimiser")
    lr: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="learning rate; found by a range test when None",
        json_schema_extra={"log": True, "search": [1e-5, 1e-1]},
    )
    weight_decay: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="decoupled weight decay per unit of rate",
        json_schema_extra={"log": True, "search": [1e-6, 1e-1]},
    )
    momentum: float | None = Field(
        default=None, ge=0, lt=1, description="momentum; SGD 0.9 (cycled by one-cycle), Muon 0.95, RMSprop 0 when None"
    )
    nesterov: bool = Field(default=True, description="Nesterov's momentum in SGD and Muon")
    beta1: float | None = Field(default=None, ge=0, lt=1, description="decay of Adam's first moment; 0.9 (cycled by one-cycle) when None")
    beta2: float | None = Field(default=None, ge=0, lt=1, description="decay of the second moment; Adam 0.999, RMSprop 0.99 when None")
    eps: float = Field(default=1e-8, gt=0, le=1, description="added to the root of the second moment")
    muon_lr: float = Field(default=0.015, gt=0, le=10, description="Muon's rate for hidden matrices; optim.lr serves the rest")
    layer_decay: float | None = Field(
        default=None, gt=0, le=1, description="factor of the rate from each layer to the one before it; 1 for one rate everywhere"
    )
    schedule: Literal["constant", "step", "cosine", "one-cycle", "wsd", "plateau"] | None = Field(
        default=None, description="course of the rate"
    )
    warmup: float | None = Field(default=None, ge=0, lt=1, description="share of the updates over which the rate rises from 0")
    step_every: float = Field(default=1 / 3, gt=0, le=1, description="share of the updates between steps of the step schedule")
    step_factor: float = Field(default=0.1, gt=0, lt=1, description="factor of a step, and of a reduction on plateau")
    decay_share: float = Field(default=0.3, gt=0, lt=1, description="share of the updates over which warm-up-stable-decay falls to 0")
    plateau_patience: int = Field(default=5, ge=1, le=1_000, description="evaluations without gain before the rate is reduced")
    l1: float = Field(default=0.0, ge=0, le=10, description="coefficient of the sum of absolute weights, added to the loss")
    l2: float = Field(default=0.0, ge=0, le=10, description="coefficient of half the sum of squared weights, added to the loss")
    max_norm: float | None = Field(default=None, gt=0, le=1e6, description="largest norm of a unit's incoming weights")
    clip: float | None = Field(default=None, gt=0, le=1e6, description="largest norm of the whole gradient")
    ema: float | None = Field(default=None, gt=0, lt=1, description="decay per update of the average of the weights that is evaluated")


class TrainPart(Part):
    epochs: int | None = Field(
        default=None, ge=1, le=1_000_000, description="a fixed number of passes; early stopping and time limit decide when None"
    )
    patience: int | None = Field(
        default=None, ge=1, le=100_000, description="evaluations without gain before training stops; before the rate falls, with wsd"
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        le=1_048_576,
        description="rows of an update, chosen by rows and memory when None",
        json_schema_extra={"log": True, "search": [16, 4096]},
    )
    accumulate: int = Field(default=1, ge=1, le=4_096, description="parts that a batch is computed in, for less memory and the same update")
    time_limit: Seconds | None = Field(
        default=None, gt=0, le=3.2e7, description="seconds, or '10m', '1h': from the call to the end of training"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(default="auto", description="auto measures ten steps of each")
    channels_last: Annotated[Literal["auto", "yes", "no"], BeforeValidator(_word)] = Field(
        default="auto", description="memory layout of images; auto measures ten steps of each"
    )
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of the target spread over all classes")
    loss: Literal["hinge", "squared_hinge", "insensitive"] | None = Field(
        default=None, description="what is minimised: hinge for classes, insensitive for numbers; cross-entropy or squares when None"
    )
    gan_loss: Literal["original", "non-saturating", "wasserstein"] | None = Field(
        default=None, description="game of generator and discriminator; wasserstein has a gradient penalty"
    )
    mixup: float = Field(default=0.0, ge=0, le=10, description="parameter of the Beta distribution that mixes pairs of samples; 0 for none")
    members: int | None = Field(
        default=None, ge=1, le=256, description="networks trained with different seeds and validation rows, averaged"
    )
    neighbours: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="neighbours of a node that are drawn for each layer where a graph is learned in parts; 0 reads all of it at once, chosen by size when None",
    )
    checkpoint_every: Seconds = Field(
        default=10.0, ge=0, le=86_400, description="seconds between checkpoints; stretched so that saving costs at most 1 %"
    )
    threads: int | None = Field(
        default=None, ge=1, le=1_024, description="threads of computation; torch's own number (the cores, or OMP_NUM_THREADS) when None"
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="processes that train a run's networks side by side, sharing the threads; by the threads and the networks when None",
    )


class Partner(Part):
    """A second network with model, optim and train of its own. Time limit, threads and checkpoints are those of the run."""

    model: ModelPart = ModelPart()
    optim: OptimPart = OptimPart()
    train: TrainPart = TrainPart()
