"""Where studies lie: Optuna's tables in a file of SQLite or in the database of a URL."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from sqlalchemy import event

from goodfit.base.errors import InputError, MissingExtra, StorageError, printable

FILE = "study.db"
_WAIT = 120.0  # seconds for another worker's write to end
_MAKING, _MAKINGS = 1.0, 10  # seconds between looks at whether all tables are made, and how often that is looked at


def storage(url: str | None, folder: Path) -> optuna.storages.RDBStorage:
    """The storage at `url`, or in `folder`. Raises InputError where the URL names no database that can be opened."""
    local = url is None or url.startswith("sqlite")
    arguments: dict[str, Any] = {"connect_args": {"timeout": _WAIT}} if local else {"pool_pre_ping": True}
    with quiet():
        try:
            found = _connected(f"sqlite:///{folder.absolute() / FILE}" if url is None else url, arguments)
        except sqlalchemy.exc.ArgumentError:
            raise InputError(
                f"--study must be the URL of a database, such as postgresql://user@host/name or sqlite:///file.db; {url!r} was given",
                value=url,
            ) from None
        except sqlalchemy.exc.NoSuchModuleError:
            raise InputError(
                f"no database is known by the beginning of {_hidden(url)}; take postgresql:// or sqlite:///", value=url
            ) from None
        except ImportError:
            if (url or "").startswith("postgresql:"):
                raise MissingExtra("a study in PostgreSQL", "postgres") from None
            raise InputError(f"the database of {_hidden(url)} needs a driver for Python; install it", value=url) from None
        except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
            raise InputError(f"the study in {_hidden(url) if url else folder} cannot be opened: {_first(error)}", value=url) from None
    if local:
        event.listen(found.engine, "connect", _faster)
    return found


def _connected(url: str, arguments: dict[str, Any]) -> optuna.storages.RDBStorage:
    for _ in range(_MAKINGS):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=arguments)
        except sqlalchemy.exc.SQLAlchemyError as error:
            if not isinstance(error, sqlalchemy.exc.IntegrityError) and "already exists" not in str(error):
                raise
        time.sleep(_MAKING)  # another worker makes the tables at this moment
    return optuna.storages.RDBStorage(url, engine_kwargs=arguments)


def _faster(connection: Any, record: Any) -> None:
    """A killed process loses nothing; a power cut may lose the last trials, which are then run again."""
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna says nothing on stderr, and warns of nothing that we ask for knowingly."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", message=".*(Fixed parameter|Inconsistent parameter|choices for a categorical).*")
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def written(where: str) -> Iterator[None]:
    """A database that refuses is one sentence."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise StorageError(
            f"the study in {where} cannot be read or written: {_first(error.__cause__ or error)}; mend that and go on with --resume"
        ) from error


def _first(error: BaseException) -> str:
    return (
        printable(str(getattr(error, "orig", None) or error).strip().splitlines()[0][:200]) if str(error).strip() else type(error).__name__
    )


def _hidden(url: str | None) -> str:
    """The URL without a password."""
    try:
        return sqlalchemy.engine.make_url(url or "").render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return "the URL"
