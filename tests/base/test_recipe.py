"""The recipe: every bound refused on its wrong side, every mistake one sentence, every recipe back from its own YAML."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goodfit.base import recipe as module
from goodfit.base.errors import SettingError
from goodfit.base.recipe import Recipe, bound
from goodfit.base.recipe import settings as all_settings
from goodfit.base.synonyms import SYNONYMS, meant

NAMES = list(all_settings())
BOUNDED = [name for name in NAMES if bound(name) is not None]


def field(name: str) -> Any:
    part, _, inner = name.partition(".")
    info = Recipe.model_fields[part]
    return info.annotation.model_fields[inner] if inner else info  # type: ignore[union-attr]


def kinds(name: str) -> tuple[Any, ...]:
    """The types that a setting may have, without None."""
    annotation = field(name).annotation
    options = get_args(annotation) or (annotation,)
    return tuple(get_args(kind)[0] if hasattr(kind, "__metadata__") else kind for kind in options if kind is not type(None))


def with_effect(name: str) -> list[str]:
    """The settings that give `name` an effect."""
    by, values = module._EFFECT.get(name, ("", ()))
    wanted = [value for value in values if value is not None]
    return [f"{by}={wanted[0]}"] if wanted else []


def beyond(name: str) -> list[float]:
    """Numbers just outside the bound."""
    limits = bound(name)
    assert limits is not None
    whole = int in kinds(name)
    outside = []
    if limits.low is not None:
        outside.append(limits.low if limits.low_open else limits.low - (1 if whole else max(abs(limits.low), 1.0) * 1e-6))
    if limits.high is not None:
        outside.append(limits.high if limits.high_open else limits.high + (1 if whole else max(abs(limits.high), 1.0) * 1e-6))
    return [int(value) if whole else value for value in outside]


def on(name: str) -> list[float]:
    """The ends of the bound that belong to it."""
    limits = bound(name)
    assert limits is not None
    ends = [end for end, is_open in ((limits.low, limits.low_open), (limits.high, limits.high_open)) if end is not None and not is_open]
    return [int(end) if int in kinds(name) else end for end in ends]


@pytest.mark.parametrize("name", BOUNDED)
def test_each_bound_refuses_what_lies_outside_and_says_so(name: str) -> None:
    assert beyond(name)
    for value in beyond(name):
        with pytest.raises(SettingError, match=f"^{name} must be (above|at least|below|at most) ") as caught:
            Recipe.build(None, [*with_effect(name), f"{name}={value!r}"])
        assert "\n" not in caught.value.message
        assert caught.value.value is not None


@pytest.mark.parametrize("name", BOUNDED)
def test_each_bound_takes_its_own_ends(name: str) -> None:
    for value in on(name):
        recipe = Recipe.build(None, [*with_effect(name), f"{name}={value!r}"])
        assert module._lookup(recipe, name) == value
        assert recipe.given(name)


@pytest.mark.parametrize("name", BOUNDED)
def test_numbers_refuse_everything_that_is_no_finite_number(name: str) -> None:
    for text in (".nan", ".inf", "yes", "[1]", "{a: 1}", "many", "2020-01-01"):
        with pytest.raises(SettingError, match=f"^{name} must be "):
            Recipe.build(None, [*with_effect(name), f"{name}={text}"])


@pytest.mark.parametrize("name", [name for name in NAMES if int in kinds(name)])
def test_whole_numbers_refuse_fractions(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} must be a whole number"):
        Recipe.build(None, [*with_effect(name), f"{name}=2.5"])


def test_search_ranges_lie_within_their_bounds() -> None:
    searched = {name: bound(name) for name in BOUNDED if bound(name).search}  # type: ignore[union-attr]
    assert "optim.lr" in searched
    for name, limits in searched.items():
        assert limits is not None
        low, high = limits.search  # type: ignore[misc]
        assert low < high
        assert limits.log
        assert low > 0
        Recipe.build(None, [f"{name}={low}"])
        Recipe.build(None, [f"{name}={high}"])


@pytest.mark.parametrize("name", list(module._EFFECT))
def test_a_setting_without_effect_is_refused(name: str) -> None:
    by, values = module._EFFECT[name]
    other = next(value for value in get_args(get_args(field(by).annotation)[0]) if value not in values)
    given_value = "true" if bool in kinds(name) else "0.5" if float in kinds(name) else "3"
    with pytest.raises(SettingError, match=rf"{name} has no effect with {by}={other}"):
        Recipe.build(None, [f"{by}={other}", f"{name}={given_value}"])


@pytest.mark.parametrize(
    "name", [name for name in NAMES if str not in kinds(name) and name not in ("data.target", "data.drop", "data.kinds")]
)
def test_words_in_place_of_values(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} "):
        Recipe.build(None, [*with_effect(name), f"{name}=wrong-word"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim.lr", "has no '='"),
        ("optim.lr=", "has no value"),
        ("optim.learning_rate=1", r"there is no setting 'optim.learning_rate'; did you mean 'optim.lr'"),
        ("learning_rate=1e-3", "did you mean 'optim.lr'"),
        ("learning-rte=1e-3", "did you mean 'optim.lr'"),
        ("lr=1e-3", "did you mean 'optim.lr'"),
        ("train.lr=1e-3", "did you mean 'optim.lr'"),
        ("batch=32", "did you mean 'train.batch_size'"),
        ("epoch=3", "did you mean 'train.epochs'"),
        ("Optimizer=adam", "did you mean 'optim.name'"),
        ("model=mlp", "did you mean 'model.name'"),
        ("model.layers=3", "did you mean 'model.depth'"),
        ("random_state=1", "did you mean 'seed'"),
        ("frobnicate=1", "'frobnicate'; `goodfit settings` lists them"),
        ("optim.momentun=0.5", r"did you mean 'optim.momentum'"),
        ("optim=1", "there is no setting 'optim'"),
        ("=1", "there is no setting ''"),
        ("a.b.c=1", "there is no setting 'a.b.c'"),
        ("optim.name=adan", r"did you mean 'adam"),
        ("preset=quick", "preset must be one of 'fast', 'good', 'best'"),
        ("device=gpu", "device must be auto, cpu, cuda"),
        ("data.kinds.a=blob", r"data.kinds.a must be one of 'number'"),
        ("data.kinds=number", "data.kinds must be a mapping"),
        ("train.time_limit=5 parsecs", "train.time_limit must be a number"),
        ("train.time_limit=-5", "train.time_limit must be above 0"),
        ("optim.lr=[&a 1, *a ]", "may not use YAML aliases"),
        ("optim.lr=" + "[" * 9000, "optim.lr must be a number"),
        ("model.name=3", "put it in quotes"),
    ],
)
def test_mistakes_on_the_command_line(text: str, message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        Recipe.build(None, [text])
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400


def test_synonyms_name_settings_that_exist_and_no_two_of_them() -> None:
    assert set(SYNONYMS) <= set(NAMES)
    words = [word for synonyms in SYNONYMS.values() for word in synonyms]
    assert len(words) == len(set(words))
    for name, synonyms in SYNONYMS.items():
        assert {meant(word, NAMES) for word in synonyms} == {name}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"optim: {lr: 1, lr: 2}", "'lr' is given twice"),
        (b"optim: 5", "optim must be a mapping of settings"),
        (b"[1]", "a recipe is a mapping"),
        (b"optim:\n  lr: [1", "is not YAML at line 2"),
        (b"? [a]\n: b", "is not YAML at line 1"),
        (b"data: {kinds: {1: number}}", "put it in quotes"),
        (b"data: {drop: [yes]}", "put it in quotes"),
        (b"data: {target: 2020-01-01}", "data.target must be a name"),
        (b"data: {target: 2020-13-45}", "not YAML"),
        (b"\xff\xfe", "not YAML"),
        (b"a: \x00", "not YAML"),
        (b"a: &a [*a]", "aliases"),
        (b"optim: {1: 2}", "there is no setting 'optim.1'"),
        (b"optims: {lr: 1}", "in a recipe; did you mean 'optim'"),
        (b"train: {epoch: 1}", "did you mean 'train.epochs'"),
        (b"train: {learning_rate: 1}", "did you mean 'optim.lr'"),
        (b"learning_rate: 1", "no part 'learning_rate' in a recipe; did you mean the setting 'optim.lr'"),
        (b"!!python/object/apply:os.system ['ls']", "not YAML"),
        (b"---\nseed: 1\n---\nseed: 2", "not YAML"),
        (b"[" * 100_000, "not YAML"),
        (b"#" * (1 << 21), "at most 1048576 bytes"),
    ],
)
def test_broken_recipe_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=message) as caught:
        Recipe.build(path)
    assert len(caught.value.message) < 500


def test_a_recipe_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        Recipe.build(tmp_path / "none.yaml")
    with pytest.raises(SettingError, match="cannot be read"):
        Recipe.build(tmp_path)


def test_parts_without_settings_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("\ufeffoptim:\n  # lr: 1\ndata:\n  kinds:\nseed: 3\n", encoding="utf-8")
    recipe = Recipe.build(path, ["data.kinds.a=number"])
    assert recipe.seed == 3
    assert recipe.data.kinds == {"a": "number"}
    assert recipe.optim == Recipe().optim


@pytest.mark.parametrize("name", ["no", "007", "null", "1.50", "2020-01-01", "a b", "x=y", "*", "{", "'"])
def test_names_of_columns_are_taken_as_they_stand(name: str) -> None:
    assert Recipe.build(None, [f"data.target={name}"]).data.target == (name,)
    assert Recipe.build(None, [f"data.weight={name}"]).data.weight == name


def test_names_of_columns_as_lists_and_numbers() -> None:
    assert Recipe.build(None, ["data.target=a, b"]).data.target == ("a", "b")
    assert Recipe.build(None, ["data.drop=['a,b', 3]"]).data.drop == ("a,b", "3")
    assert Recipe.build(None, data__target=7).data.target == ("7",)


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("2 min", 120), ("30 sec", 30)])
def test_times(text: str, seconds: float) -> None:
    assert Recipe.build(None, [f"train.time_limit={text}"]).train.time_limit == seconds


def test_later_ones_win_and_changes_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("optim: {lr: 0.1}\ntrain: {epochs: 3}\n")
    recipe = Recipe.build(path, ["optim.lr=0.2"], optim__lr=0.3, seed=None)
    assert recipe.optim.lr == 0.3
    assert recipe.train.epochs == 3
    assert recipe.given("optim.lr")
    assert not recipe.given("seed")
    assert not recipe.given("optim.clip")
    assert recipe.with_(optim__lr=0.5).optim.lr == 0.5
    with pytest.raises(SettingError, match=r"optim.lr must be above 0"):
        recipe.with_(optim__lr=0)
    with pytest.raises(SettingError, match="no effect"):
        recipe.with_(optim__name="adam", optim__momentum=0.5)


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(Exception, match="frozen"):
        Recipe().optim.lr = 1.0  # type: ignore[misc]


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Values that a setting may have."""
    options = kinds(name)
    limits = bound(name)
    if name == "data.kinds":
        return st.dictionaries(st.text(min_size=1), st.sampled_from(["number", "category", "text"]), max_size=3)
    if name == "model.arguments":
        return st.dictionaries(st.text(), st.one_of(st.integers(-9, 9), st.booleans(), st.text()), max_size=3)
    if name in ("data.target", "data.drop"):
        return st.lists(st.text(), max_size=3)
    if name == "partner":
        return st.fixed_dictionaries({"model": st.just({"name": "mlp"}), "optim": st.fixed_dictionaries({"lr": st.floats(1e-5, 1)})})
    if name == "device":
        return st.sampled_from(["auto", "cpu", "cuda:1"])
    if limits is not None and int in options:
        return st.integers(int(limits.low or 0), int(limits.high or 10**6) - (1 if limits.high_open else 0))
    if limits is not None:
        high = 1e9 if limits.high is None else limits.high
        return st.floats(limits.low, high, exclude_min=limits.low_open, exclude_max=limits.high_open, allow_nan=False)  # type: ignore[arg-type]
    if bool in options:
        return st.booleans()
    if str in options:
        return st.text()
    literals = get_args(field(name).annotation)
    return st.sampled_from(get_args(literals[0]) or literals)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    chosen = draw(st.lists(st.sampled_from([name for name in NAMES if name not in module._EFFECT]), unique=True, max_size=12))
    changes = {name.replace(".", "__"): draw(values_of(name)) for name in chosen}
    recipe = Recipe.build(**changes)
    for name, (by, values) in module._EFFECT.items():
        if module._lookup(recipe, by) in values and draw(st.booleans()):
            recipe = recipe.with_(**{name.replace(".", "__"): draw(values_of(name))})
    return recipe


@settings(max_examples=150, deadline=None)
@example(recipe=Recipe.build(None, data__weight="\x85", data__drop=("é", "\u2028")))
@given(recipe=recipes())
def test_a_recipe_comes_back_from_its_yaml(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")
    assert Recipe.build(path) == recipe
    assert Recipe.build(path).to_yaml() == recipe.to_yaml()


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(NAMES), text=st.text(max_size=40))
def test_any_text_is_a_value_or_one_sentence(name: str, text: str) -> None:
    with contextlib.suppress(SettingError):
        Recipe.build(None, [f"{name}={text}"])


@settings(max_examples=200, deadline=None)
@given(content=st.one_of(st.binary(max_size=200), st.text(alphabet="optimdalr:{}[]\n -&*!|>'\"%@`#?,\t01", max_size=80).map(str.encode)))
def test_any_bytes_are_a_recipe_or_one_sentence(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_bytes(content)
    with contextlib.suppress(SettingError):
        Recipe.build(path)
