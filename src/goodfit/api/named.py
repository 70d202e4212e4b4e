"""A function by its name, `package.module:function`: the one place where a name becomes code.

It is called with what stands in the call itself (`network=`, `--network`), never with what a recipe, a run or a model folder says: whoever writes the
call decides what runs.
"""

from __future__ import annotations

import os
import pkgutil
import re
import sys
from collections.abc import Callable
from typing import Any

from goodfit.base.errors import InputError

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def function(name: str) -> Callable[..., Any]:
    """The function called `package.module:function`; modules in the current folder are found too, as by `python -m`.

    Raises InputError where the name is of another form, the module cannot be imported, or what it names cannot be called.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"a network is named by the function that makes it, package.module:function; {name!r} was given", value=name)
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        found = pkgutil.resolve_name(name)
    except Exception as error:  # importing a module runs it, and it may raise anything; passed on as the cause
        raise InputError(
            f"{name} cannot be imported ({type(error).__name__}: {error}); name a function as package.module:function", value=name
        ) from error
    finally:
        sys.path.remove(here)
    if not callable(found):
        raise InputError(f"{name} must be a function or a class that makes an nn.Module; it is a {type(found).__name__}", value=name)
    return found
