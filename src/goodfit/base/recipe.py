"""The recipe: every setting of a run in one frozen, validated object.

Each bound stands once, in the field that it bounds, and serves validation, messages, search limits and documentation.
A setting that does not exist, lies outside its bounds or has no effect with the others is an error that says so.
`None` means *chosen from the data*; the resolved recipe beside every run holds what was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from goodfit.base.errors import SettingError, did_you_mean

Preset = Literal["fast", "good", "best"]
_LARGEST_FILE = 1 << 20  # bytes; a recipe is a page of text


def _seconds(value: Any) -> Any:
    """`90`, `"90s"`, `"10m"`, `"1.5h"` -> seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|min|sec)?\s*", value)):
        return float(match[1]) * {"s": 1, "sec": 1, None: 1, "m": 60, "min": 60, "h": 3600}[match[2]]
    return value


def _names(value: Any) -> Any:
    """`"a,b"` -> `("a", "b")`; a list stays one."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)


class DataPart(_Part):
    target: Names = Field((), description="column or columns to predict")
    task: Literal["binary", "multiclass", "multilabel", "regression", "several"] | None = Field(None, description="found from the target when None")
    kinds: dict[str, Literal["number", "category", "boolean", "datetime", "text", "identifier", "image"]] = Field(
        default_factory=dict, description="kinds of columns where the guess is to be overruled"
    )
    drop: Names = Field((), description="columns to leave out")
    weight: str | None = Field(None, description="column of sample weights, not negative")
    split: str | None = Field(None, description="column that says train, valid or test for each row")
    group: str | None = Field(None, description="column whose rows must stay in one part")
    time: str | None = Field(None, description="column to split by: the latest rows are the test set")
    valid_fraction: float = Field(0.15, gt=0, lt=0.9, description="share of the rows for validation")
    test_fraction: float = Field(0.15, ge=0, lt=0.9, description="share of the rows for the sealed test set; 0 for none")
    balance: Literal["none", "classes"] = Field("none", description="weight classes by the inverse of their frequency")
    image_size: int | None = Field(None, ge=8, le=1024, description="side of the square that images are brought to, pixels")
    augment: bool = Field(True, description="augment images in training")
    vocabulary: int = Field(30_000, ge=100, le=1_000_000, description="largest number of tokens learned from the training rows")
    tokens: Literal["word", "bpe"] = Field("word", description="kind of vocabulary; bpe needs the extra 'text'")
    max_tokens: int = Field(256, ge=4, le=65_536, description="tokens of a text that the network sees; the rest is cut")
    memory: float | None = Field(None, gt=0, description="GiB of encoded data that stay in memory; more is memory-mapped. A quarter of the machine when None")


class ModelPart(_Part):
    name: str | None = Field(None, description="name in the catalogue, see `goodfit models`; chosen from the data when None")
    width: int | None = Field(None, ge=1, le=16_384, description="units of a hidden layer, or channels of the first block")
    depth: int | None = Field(None, ge=0, le=1_000, description="hidden layers or blocks")
    members: int | None = Field(None, ge=1, le=512, description="K, the networks inside a TabM")
    dropout: float | None = Field(None, ge=0, lt=1, description="probability that a hidden unit is zeroed in training")
    activation: Literal["relu", "leaky_relu", "gelu", "selu", "tanh", "sigmoid", "silu"] | None = Field(None, description="hidden activation")
    norm: Literal["none", "batch", "layer"] | None = Field(None, description="normalisation between linear map and activation")
    embedding: Literal["none", "piecewise", "periodic"] | None = Field(None, description="embedding of numbers")
    embedding_dim: int | None = Field(None, ge=1, le=1_024, description="dimensions of a number's, category's or token's embedding")
    bins: int | None = Field(None, ge=2, le=1_024, description="quantile bins of a piecewise-linear embedding")
    heads: int | None = Field(None, ge=1, le=256, description="attention heads")
    bidirectional: bool | None = Field(None, description="read the sequence in both directions")


class OptimPart(_Part):
    name: Literal["sgd", "adagrad", "rmsprop", "adam", "adamw", "muon"] | None = Field(None, description="optimiser")
    lr: float | None = Field(None, gt=0, le=100, description="learning rate; found by a range test when None", json_schema_extra={"log": True, "search": [1e-5, 1e-1]})
    weight_decay: float | None = Field(None, ge=0, le=10, description="decoupled weight decay per unit of rate", json_schema_extra={"log": True, "search": [1e-6, 1e-1]})
    momentum: float | None = Field(None, ge=0, lt=1, description="momentum; SGD 0.9, Muon 0.95, RMSprop 0 when None")
    nesterov: bool = Field(True, description="Nesterov's momentum in SGD and Muon")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of Adam's first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description="decay of the second moment (Adam, RMSprop)")
    eps: float = Field(1e-8, gt=0, le=1, description="added to the root of the second moment")
    muon_lr: float = Field(0.015, gt=0, le=10, description="Muon's rate for hidden matrices; optim.lr serves the rest")
    schedule: Literal["constant", "step", "cosine", "one-cycle", "wsd", "plateau"] | None = Field(None, description="course of the rate")
    warmup: float | None = Field(None, ge=0, lt=1, description="share of the updates over which the rate rises from 0")
    step_every: float = Field(1 / 3, gt=0, le=1, description="share of the updates between steps of the step schedule")
    step_factor: float = Field(0.1, gt=0, lt=1, description="factor of a step, and of a reduction on plateau")
    decay_share: float = Field(0.2, gt=0, le=1, description="share of the updates over which warm-up-stable-decay falls to 0")
    plateau_patience: int = Field(5, ge=1, le=1_000, description="evaluations without gain before the rate is reduced")
    l1: float = Field(0.0, ge=0, le=10, description="coefficient of the sum of absolute weights, added to the loss")
    l2: float = Field(0.0, ge=0, le=10, description="coefficient of half the sum of squared weights, added to the loss")
    max_norm: float | None = Field(None, gt=0, le=1e6, description="largest norm of a unit's incoming weights")
    clip: float | None = Field(None, gt=0, le=1e6, description="largest norm of the whole gradient")
    ema: float | None = Field(None, gt=0, lt=1, description="decay per update of the average of the weights that is evaluated")


class TrainPart(_Part):
    epochs: int | None = Field(None, ge=1, le=1_000_000, description="a fixed number of passes; early stopping and time limit decide when None")
    patience: int | None = Field(None, ge=1, le=100_000, description="evaluations without gain before training stops")
    batch_size: int | None = Field(None, ge=1, le=1_048_576, description="rows of an update, chosen by rows and memory when None", json_schema_extra={"log": True, "search": [16, 4096]})
    accumulate: int = Field(1, ge=1, le=4_096, description="parts that a batch is computed in, for less memory and the same update")
    time_limit: Seconds | None = Field(None, gt=0, le=3.2e7, description="seconds, or '10m', '1h': from the call to the end of training")
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto measures ten steps of each")
    channels_last: Literal["auto", "yes", "no"] = Field("auto", description="memory layout of images; auto measures ten steps of each")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    mixup: float = Field(0.0, ge=0, le=10, description="parameter of the Beta distribution that mixes pairs of samples; 0 for none")
    members: int | None = Field(None, ge=1, le=256, description="networks trained with different seeds and validation rows, averaged")
    threads: int | None = Field(None, ge=1, le=1_024, description="threads of computation; the machine's cores when None")


class Recipe(_Part):
    """All settings of a run. Build one with `Recipe.build`, which gives every mistake one sentence."""

    data: DataPart = DataPart()
    model: ModelPart = ModelPart()
    optim: OptimPart = OptimPart()
    train: TrainPart = TrainPart()
    preset: Preset = Field("good", description="fast: a first answer; good: the default; best: several networks, as good as the time allows")
    seed: int = Field(0, ge=0, lt=2**53, description="the one seed that every random stream derives from")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$", description="auto, cpu, cuda")

    @classmethod
    def build(cls, file: str | Path | None = None, sets: Iterable[str] = (), /, **given: Any) -> Recipe:
        """A recipe from a YAML file, `key=value` texts and keyword parts, later ones winning.

        >>> Recipe.build(None, ["optim.lr=1e-3"]).optim.lr
        0.001
        """
        tree: dict[str, Any] = _read_yaml(Path(file)) if file is not None else {}
        for text in sets:
            key, equals, value = text.partition("=")
            if not equals:
                raise SettingError(f"a setting is written key=value, such as optim.lr=0.001; {text!r} has no '='", value=text)
            _put(tree, key.strip(), _parse_value(value), text)
        for key, value in given.items():
            if value is not None:
                _put(tree, key.replace("__", "."), value, key)
        return cls._validated(tree)

    @classmethod
    def _validated(cls, tree: Mapping[str, Any]) -> Recipe:
        try:
            recipe = cls.model_validate(tree)
        except ValidationError as error:
            raise _explain(error) from None
        _refuse_without_effect(recipe)
        return recipe

    def with_(self, **changes: Any) -> Recipe:
        """A copy with settings changed, written `part__name=value`: `recipe.with_(optim__lr=1e-3)`."""
        tree = self.model_dump(exclude_unset=True)
        for key, value in changes.items():
            _put(tree, key.replace("__", "."), value, key)
        return self._validated(tree)

    def given(self, name: str) -> bool:
        """Whether the user (or a resolved recipe) set `part.name`, rather than left it to its default."""
        part, _, field = name.partition(".")
        return field in getattr(self, part).model_fields_set if field else part in self.model_fields_set

    def to_yaml(self) -> str:
        """The recipe with what was set or resolved, as YAML that `Recipe.build` reads back to an equal recipe."""
        tree = self.model_dump(mode="json", exclude_none=True)
        for name, (by, values) in _EFFECT.items():
            part, field = name.split(".")
            if _lookup(self, by) not in values:
                tree[part].pop(field, None)
        return yaml.safe_dump({k: v for k, v in tree.items() if v != {}}, sort_keys=False, allow_unicode=True)


class Bound(NamedTuple):
    """The range of a numeric setting. `log`: it is to be searched on a log scale, over `search` where that is given."""

    low: float | None
    high: float | None
    low_open: bool
    high_open: bool
    log: bool
    search: tuple[float, float] | None


def settings() -> dict[str, str]:
    """Every setting's full name and what it is, in the order of the parts."""
    named = {}
    for part, field in Recipe.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, _Part):
            named |= {f"{part}.{name}": inner.description or "" for name, inner in field.annotation.model_fields.items()}
        else:
            named[part] = field.description or ""
    return named


def bound(name: str) -> Bound | None:
    """The bound of the setting `part.name`, None where it is no number or has none."""
    part, _, field = name.partition(".")
    info = Recipe.model_fields[part].annotation.model_fields[field] if field else Recipe.model_fields[part]  # type: ignore[union-attr]
    limits = {}
    for item in info.metadata:
        for key in ("gt", "ge", "lt", "le"):
            if getattr(item, key, None) is not None:
                limits[key] = getattr(item, key)
    if not limits:
        return None
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    search = extra.get("search")
    return Bound(
        limits.get("gt", limits.get("ge")),
        limits.get("lt", limits.get("le")),
        "gt" in limits,
        "lt" in limits,
        bool(extra.get("log")),
        tuple(search) if search else None,  # type: ignore[arg-type]
    )


# A setting, the setting that decides whether it has an effect, and the values with which it has. None: not yet chosen.
_EFFECT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "optim.momentum": ("optim.name", (None, "sgd", "rmsprop", "muon")),
    "optim.nesterov": ("optim.name", (None, "sgd", "muon")),
    "optim.beta1": ("optim.name", (None, "adam", "adamw", "muon")),
    "optim.beta2": ("optim.name", (None, "adam", "adamw", "muon", "rmsprop")),
    "optim.eps": ("optim.name", (None, "adam", "adamw", "muon", "rmsprop", "adagrad")),
    "optim.muon_lr": ("optim.name", (None, "muon")),
    "optim.step_every": ("optim.schedule", ("step",)),
    "optim.step_factor": ("optim.schedule", ("step", "plateau")),
    "optim.decay_share": ("optim.schedule", ("wsd",)),
    "optim.plateau_patience": ("optim.schedule", ("plateau",)),
}


def _lookup(recipe: Recipe, name: str) -> Any:
    part, _, field = name.partition(".")
    return getattr(getattr(recipe, part), field) if field else getattr(recipe, part)


def _refuse_without_effect(recipe: Recipe) -> None:
    for name, (by, values) in _EFFECT.items():
        if recipe.given(name) and _lookup(recipe, by) not in values:
            wanted = " or ".join(str(v) for v in values if v is not None)
            raise SettingError(f"{name} has no effect with {by}={_lookup(recipe, by)}; leave it out, or set {by} to {wanted}", value=name)


def _put(tree: dict[str, Any], name: str, value: Any, text: str) -> None:
    known = settings()
    part, _, field = name.partition(".")
    if name not in known and not (part == "data" and field.startswith("kinds.")):
        raise SettingError(f"there is no setting {name!r}{did_you_mean(name, known) or '; `goodfit train --help` lists them'}", value=text)
    if field.startswith("kinds."):
        tree.setdefault("data", {}).setdefault("kinds", {})[field.removeprefix("kinds.")] = value
    elif field:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            raise SettingError(f"{part} holds settings of its own, such as {name}; {branch!r} was given", value=text)
        branch[field] = value
    else:
        tree[part] = value


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: nothing in a recipe needs them, and nested ones blow a page up to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise SettingError(f"a recipe may not use YAML aliases (line {mark.line + 1}); write the value out", row=mark.line + 1)
        return super().compose_node(parent, index)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise SettingError(f"a recipe is at most {_LARGEST_FILE} bytes; {path.name} has {path.stat().st_size}", file=path)
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_PlainLoader)
    except SettingError as error:
        error.file = str(path)
        raise
    except OSError as error:
        raise SettingError(f"the recipe {path} cannot be read: {error.strerror}", file=path) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        where = getattr(getattr(error, "problem_mark", None), "line", None)
        line = f" at line {where + 1}" if where is not None else ""
        raise SettingError(f"{path.name} is not YAML{line}: {getattr(error, 'problem', None) or 'it cannot be read as text'}", file=path) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingError(f"a recipe is a mapping such as 'optim: {{lr: 0.001}}'; {path.name} holds a {type(tree).__name__}", file=path)
    known = settings()
    parts = {name.partition(".")[0] for name in known}
    for part, branch in tree.items():
        if part not in parts:
            raise SettingError(f"there is no part {part!r} in a recipe{did_you_mean(str(part), parts) or '; the parts are ' + ', '.join(sorted(parts))}", file=path)
        for field in branch if isinstance(branch, dict) else ():
            if f"{part}.{field}" not in known:
                raise SettingError(f"there is no setting '{part}.{field}'{did_you_mean(f'{part}.{field}', known)}", file=path)
    return tree


def _parse_value(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_PlainLoader) if len(text) <= 10_000 else text
    except (yaml.YAMLError, ValueError):
        return text


def _explain(error: ValidationError) -> SettingError:
    """The first mistake that pydantic found, as one sentence."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    given, context = first.get("input"), first.get("ctx", {})
    limits = {"greater_than": "above {gt}", "greater_than_equal": "at least {ge}", "less_than": "below {lt}", "less_than_equal": "at most {le}"}
    if first["type"] == "extra_forbidden":
        return SettingError(f"there is no setting {name!r}{did_you_mean(name, settings())}", value=name)
    if first["type"] in limits:
        must = "must be " + limits[first["type"]].format(**context)
    elif first["type"] == "literal_error":
        must = f"must be one of {context['expected'].replace(' or ', ', ')}"
        if isinstance(given, str):
            must += did_you_mean(given, re.findall(r"'([^']+)'", context["expected"]))
    else:
        wanted = {"float_parsing": "a number", "float_type": "a number", "int_parsing": "a whole number", "int_from_float": "a whole number",
                  "int_type": "a whole number", "bool_parsing": "true or false", "bool_type": "true or false", "string_type": "a text",
                  "finite_number": "a finite number", "tuple_type": "a name or a list of names", "dict_type": "a mapping"}  # fmt: skip
        must = f"must be {wanted[first['type']]}" if first["type"] in wanted else first["msg"][0].lower() + first["msg"][1:]
    return SettingError(f"{name} {must}; {str(given)[:80]!r} was given", value=given)


PRESETS: tuple[str, ...] = get_args(Preset)
