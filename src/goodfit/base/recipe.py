"""The recipe: every setting of a run in one frozen, validated object.

Each bound stands once, in the field that it bounds, and serves validation, messages, search limits and documentation.
A setting that does not exist, lies outside its bounds or has no effect with the others is an error that says so.
`None` means *chosen from the data*; the resolved recipe beside every run holds what was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import yaml
from pydantic import Field, ValidationError

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.base.parts import DataPart, ModelPart, OptimPart, Part, Partner, TrainPart
from goodfit.base.synonyms import meant

Preset = Literal["fast", "good", "best"]
_LARGEST_FILE = 1 << 20  # bytes; a recipe is a page of text


class Recipe(Part):
    """All settings of a run. Build one with `Recipe.build`, which gives every mistake one sentence."""

    data: DataPart = DataPart()
    model: ModelPart = ModelPart()
    optim: OptimPart = OptimPart()
    train: TrainPart = TrainPart()
    partner: Partner | None = Field(
        default=None,
        description="a second network (model, optim, train) beside the first on the same rows, averaged with it as validation asks",
    )
    preset: Preset = Field(
        default="good", description="fast: a first answer; good: the default; best: several networks, as good as the time allows"
    )
    seed: int = Field(default=0, ge=0, lt=2**53, description="the one seed that every random stream derives from")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$", description="auto, cpu, cuda")

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
            key = key.strip()
            _put(tree, key, value.strip() if key in _TEXTS and not value.lstrip().startswith("[") else parse_value(value), text)
            if not value.strip():
                raise SettingError(f"{key} has no value in {text!r}; write it behind the '=', or leave the setting out", value=text)
        for key, value in given.items():
            if value is not None:
                _put(tree, key.replace("__", "."), value, key)
        return cls._validated(tree)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Recipe:
        """The recipe whose `model_dump(mode="json")` this is, in whole or of what was set."""
        return cls._validated(document)

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

    @property
    def second(self) -> Recipe | None:
        """The partner's settings as a recipe of its own, None where there is no partner."""
        if self.partner is None:
            return None
        tree = self.model_dump(exclude_unset=True)
        partner = tree.pop("partner")
        shared = {name: tree["train"][name] for name in _SHARED if name in tree.get("train", {})}
        return self._validated(tree | {"model": {}, "optim": {}} | partner | {"train": partner.get("train", {}) | shared})

    def with_second(self, second: Recipe) -> Recipe:
        """A copy whose partner has the model, optim and train of `second`."""
        own = second.model_dump(exclude_unset=True)
        partner = {part: own.get(part, {}) for part in ("model", "optim", "train")}
        partner["train"] = {name: value for name, value in partner["train"].items() if name not in _SHARED}
        return self._validated(self.model_dump(exclude_unset=True) | {"partner": partner})

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
        if self.partner is not None:
            tree["partner"] = self.partner.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        tree = {k: v for k, v in tree.items() if v != {}}
        text = str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))
        if text.replace("\n", "").isprintable():
            return text
        return str(yaml.safe_dump(tree, sort_keys=False))  # with escapes: YAML takes some control characters for the end of a line


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
    named: dict[str, str] = {}
    for part, field in Recipe.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Part):
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
    search: Any = extra.get("search")
    return Bound(
        limits.get("gt", limits.get("ge")),
        limits.get("lt", limits.get("le")),
        "gt" in limits,
        "lt" in limits,
        bool(extra.get("log")),
        tuple(search) if search else None,
    )


# A setting, the setting that decides whether it has an effect, and the values with which it has. None: not yet chosen.
_EFFECT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "data.horizon": ("data.task", ("forecast",)),
    "data.season": ("data.task", ("forecast",)),
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


# Settings of `train` that a partner has in common with the first network.
_SHARED = ("time_limit", "threads", "workers", "checkpoint_every", "members")

# Names of columns and folders: taken as they stand, so that a column called `no` or `007` is not read as YAML.
_TEXTS = ("data.target", "data.source", "data.drop", "data.weight", "data.split", "data.group", "data.time", "model.source")


def effect(name: str) -> tuple[str, tuple[Any, ...]] | None:
    """The setting that decides whether `part.name` has an effect, and the values with which it has; None where it always has."""
    return _EFFECT.get(name)


def taken_by(name: str) -> Literal["number", "whole", "word"]:
    """What the setting `part.name` takes: a number, a whole number, or words (names, texts, yes and no)."""
    part, _, field = name.partition(".")
    info = Recipe.model_fields[part].annotation.model_fields[field] if field else Recipe.model_fields[part]  # type: ignore[union-attr]
    kinds = _plain_types(info.annotation)
    return "number" if float in kinds else "whole" if int in kinds else "word"


def _plain_types(annotation: Any) -> set[Any]:
    """The types that an annotation is made of: of a union, all; of Annotated, what is annotated."""
    if get_origin(annotation) is Literal:
        return {str}
    inner = get_args(annotation)
    return set().union(*(_plain_types(one) for one in inner)) if inner else {annotation}


def _lookup(recipe: Recipe, name: str) -> Any:
    part, _, field = name.partition(".")
    return getattr(getattr(recipe, part), field) if field else getattr(recipe, part)


def _refuse_without_effect(recipe: Recipe) -> None:
    for name, (by, values) in _EFFECT.items():
        if recipe.given(name) and _lookup(recipe, by) not in values:
            wanted = " or ".join(str(v) for v in values if v is not None)
            raise SettingError(f"{name} has no effect with {by}={_lookup(recipe, by)}; leave it out, or set {by} to {wanted}", value=name)


def without_effect(tree: Mapping[str, Any]) -> list[str]:
    """The settings of a recipe's tree that have no effect with the others."""
    given = {(part, field): value for part, branch in tree.items() if isinstance(branch, Mapping) for field, value in branch.items()}

    def at(name: str) -> tuple[str, str]:
        part, _, field = name.partition(".")
        return part, field

    return [name for name, (by, values) in _EFFECT.items() if at(name) in given and given.get(at(by)) not in values]


def _put(tree: dict[str, Any], name: str, value: Any, text: str) -> None:
    known = settings()
    part, _, field = name.partition(".")
    if name not in known and not (part == "data" and field.startswith("kinds.")):
        raise SettingError(_unknown(name), value=text)
    if field:
        branch = tree.setdefault(part, {})
        if field.startswith("kinds.") and isinstance(branch, dict):
            field, branch = field.removeprefix("kinds."), branch.setdefault("kinds", {})
        if not isinstance(branch, dict):
            raise SettingError(f"{part} holds settings of its own, such as {name}; {branch!r} was given", value=text)
        branch[field] = value
    else:
        tree[part] = value


def _unknown(name: str) -> str:
    """What is said of a setting that does not exist."""
    known = settings()
    setting = meant(name, known)
    hint = f"; did you mean '{setting}'?" if setting else did_you_mean(name, known)
    return f"there is no setting {name!r}{hint or '; `goodfit settings` lists them'}"


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: nothing in a recipe needs them, and nested ones blow a page up to gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise SettingError(f"a recipe may not use YAML aliases (line {mark.line + 1}); write the value out", row=mark.line + 1)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Refuses a key given twice, of which plain YAML keeps the last in silence."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.start_mark.line + 1
                raise SettingError(f"{key!r} is given twice in the mapping that begins at line {line}; leave one", row=line, value=key)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise SettingError(f"the recipe {path} cannot be read: it is no file", file=path)
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
        raise SettingError(
            f"{path.name} is not YAML{line}: {getattr(error, 'problem', None) or 'it cannot be read as text'}", file=path
        ) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingError(f"a recipe is a mapping such as 'optim: {{lr: 0.001}}'; {path.name} holds a {type(tree).__name__}", file=path)
    known = settings()
    parts = {name.partition(".")[0] for name in known}
    # A part whose settings are all commented out reads as null, and so does a mapping of kinds.
    tree = {
        part: {k: v for k, v in branch.items() if v is not None} if isinstance(branch, dict) else branch for part, branch in tree.items()
    }
    tree = {part: branch for part, branch in tree.items() if branch is not None}
    for part, branch in tree.items():
        if part not in parts:
            hint = did_you_mean(str(part), parts)
            if not hint and (setting := meant(str(part), known)):
                hint = f"; did you mean the setting '{setting}'?"
            raise SettingError(f"there is no part {part!r} in a recipe{hint or '; the parts are ' + ', '.join(sorted(parts))}", file=path)
        for field in branch if isinstance(branch, dict) and part != "partner" else ():
            if f"{part}.{field}" not in known:
                raise SettingError(_unknown(f"{part}.{field}"), file=path)
    return tree


def parse_value(text: str) -> Any:
    """The value that YAML reads in a text; the text itself where it is no YAML."""
    try:
        return yaml.load(text, Loader=_PlainLoader) if len(text) <= 10_000 else text
    except SettingError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


_LIMITS = {
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
}
_WANTED = {  # pydantic's types of errors
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text",
    "string_pattern_mismatch": "auto, cpu, cuda, cuda:0 or mps",
    "finite_number": "a finite number",
    "tuple_type": "a name or a list of names",
    "dict_type": "a mapping",
    "model_type": "a mapping of settings",
    "invalid-json-value": "a number, a text, true, false, or a list or mapping of these",
}


def _explain(error: ValidationError) -> SettingError:
    """The first mistake that pydantic found, as one sentence."""
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    given, context = first.get("input"), first.get("ctx", {})
    if first["type"] == "extra_forbidden":
        return SettingError(_unknown(name), value=name)
    if first["type"] in _LIMITS:
        must = "must be " + _LIMITS[first["type"]].format(**context)
    elif first["type"] == "literal_error":
        must = f"must be one of {context['expected'].replace(' or ', ', ')}"
        if isinstance(given, str):
            must += did_you_mean(given, re.findall(r"'([^']+)'", context["expected"]))
    else:
        must = f"must be {_WANTED[first['type']]}" if first["type"] in _WANTED else first["msg"][0].lower() + first["msg"][1:]
    quote = "; put it in quotes" if isinstance(given, bool | int | float) and first["type"] in ("string_type", "tuple_type") else ""
    return SettingError(f"{name} {must}; {str(given)[:80]!r} was given{quote}", value=given)


PRESETS: tuple[str, ...] = get_args(Preset)
