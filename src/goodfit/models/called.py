"""How a user's module is called with the inputs of this house: by their names where its forward has them, else with the one that there is.

B rows, O outputs.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection

from torch import Tensor, nn

from goodfit.base.errors import InputError

# Other names for an input, and why a module that takes them by keyword is called so.
_OTHERS = {"image": ("pixel_values", "images", "x")}  # transformers', torchvision's, most scripts'
_WITH = frozenset({"lengths", "letters"})  # stand beside another input, and are left out where forward does not name them


class Called(nn.Module):
    """A user's module behind keyword arguments. names: of the inputs, as the batches have them.

    An input goes to the parameter of `forward` with its name; a picture also to one called pixel_values. A module that names none of them and is
    for one input gets it as its first argument. Raises InputError where neither works.
    """

    def __init__(self, module: nn.Module, names: Collection[str]) -> None:
        super().__init__()
        self.module = module
        self._places = places(module, names)

    def forward(self, **inputs: Tensor) -> Tensor:
        first = [tensor for name, tensor in inputs.items() if name in self._places and self._places[name] is None]
        named = {place: inputs[name] for name, place in self._places.items() if place is not None and name in inputs}
        return self.module(*first, **named)  # B ... -> whatever the module gives


def places(module: nn.Module, names: Collection[str]) -> dict[str, str | None]:
    """For each input the keyword that it is handed over by; None: as the first argument.

    >>> places(nn.Linear(2, 1), ["numbers"])
    {'numbers': None}
    """
    parameters = inspect.signature(module.forward).parameters
    named = {name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if "input_ids" in named and "text" in names and "text" not in named:
        raise InputError(
            f"{type(module).__name__} reads the tokens of its own vocabulary, which a module does not bring along; write --set model.name=pretrained "
            "--set model.source=FOLDER, the folder of its weights and its tokenizer"
        )
    found = {name: next((place for place in (name, *_OTHERS.get(name, ())) if place in named), None) for name in names}
    missing = [name for name, place in found.items() if place is None]
    if not missing or set(missing) <= _WITH:
        return {name: place for name, place in found.items() if place is not None}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and not named:
        return {name: name for name in names}
    if len(set(names) - _WITH) == 1 and any(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters.values()):
        return {name: None for name in missing if name not in _WITH}
    raise InputError(
        f"the forward of {type(module).__name__} must take the inputs {', '.join(names)} by keyword; it takes {', '.join(named) or 'none'}, "
        f"and {', '.join(missing)} would be left out"
    )
