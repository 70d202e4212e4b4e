"""Ways to damage the folder of a finished run. `DAMAGES[name](run)` alters a copy of a sound one."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

WITNESS = "GOODFIT_WITNESS"  # environment variable with the path that a pickle writes when something loads it
WEIGHTS = "0/network.safetensors"


class Trap:
    """Whoever unpickles this leaves a trace."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (os.mkdir, (os.environ[WITNESS],))


def document(run: Path) -> dict[str, Any]:
    return json.loads((run / "model" / "bundle.json").read_text())


def write(run: Path, tree: Any) -> None:
    """Write bundle.json with its checksum set right, as somebody who means harm would."""
    if isinstance(tree, dict) and "sha256" in tree:
        rest = {key: value for key, value in tree.items() if key != "sha256"}
        tree["sha256"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    (run / "model" / "bundle.json").write_text(json.dumps(tree))


def sealed(name: str, content: Callable[[Path], bytes]) -> Callable[[Path], None]:
    """Replace a file of the model and its checksum."""

    def damage(run: Path) -> None:
        data = content(run / "model" / name)
        (run / "model" / name).write_bytes(data)
        tree = document(run)
        tree["files"][name] = hashlib.sha256(data).hexdigest()
        write(run, tree)

    return damage


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change bundle.json as a document."""

    def damage(run: Path) -> None:
        tree = document(run)
        change(tree)
        write(run, tree)

    return damage


def replaced(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(content) and None


def _torch_pickle(_: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": Trap()}, buffer)
    return buffer.getvalue()


def _wrong_shapes(path: Path) -> bytes:
    return save({name: torch.zeros(*tensor.shape, 2) for name, tensor in load_file(path).items()})


def _one_tensor_less(path: Path) -> bytes:
    return save(dict(list(load_file(path).items())[1:]))


def _not_numbers(path: Path) -> bytes:
    return save({name: torch.full_like(t, float("nan")) if t.is_floating_point() else t for name, t in load_file(path).items()})


def _link_out(run: Path) -> None:
    path = run / "model" / WEIGHTS
    shutil.move(path, run.parent / "moved.safetensors")
    path.symlink_to(run.parent / "moved.safetensors")


def _only(*names: str) -> Callable[[Path], None]:
    """Keep these entries of the run folder alone."""

    def damage(run: Path) -> None:
        for path in run.iterdir():
            if path.name not in names:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def _as_file(content: bytes) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        shutil.rmtree(run)
        run.write_bytes(content)

    return damage


def _bundle_is_folder(run: Path) -> None:
    (run / "model" / "bundle.json").unlink()
    (run / "model" / "bundle.json").mkdir()


def _first(tree: dict[str, Any]) -> dict[str, Any]:
    return tree["members"][0]["model"]


DAMAGES: dict[str, Callable[[Path], None]] = {
    "run-absent": shutil.rmtree,
    "run-empty": _only(),
    "run-empty-describe": _only(),
    "run-empty-evaluate": _only(),
    "run-empty-report": _only(),
    "run-empty-resume": _only(),
    "run-is-a-file": _as_file(b"a note\n"),
    "run-is-a-pickle": lambda run: _as_file(pickle.dumps(Trap()))(run),
    "run-unfinished": _only("run.json", "recipe.yaml", "schema.json", "data.json", "environment.json", "history.jsonl", "checkpoints"),
    "run-recipe-only": _only("recipe.yaml"),
    "run-pickle-in-place-of-weights": sealed(WEIGHTS, lambda _: pickle.dumps(Trap())),
    "run-torch-pickle-in-place-of-weights": sealed(WEIGHTS, _torch_pickle),
    "run-pickle-in-place-of-encoder": sealed("0/encoder.json", lambda _: pickle.dumps(Trap())),
    "run-weights-empty": sealed(WEIGHTS, lambda _: b""),
    "run-weights-truncated": sealed(WEIGHTS, lambda path: path.read_bytes()[:-7]),
    "run-weights-header-lies": sealed(WEIGHTS, lambda path: struct.pack("<Q", 2**63) + path.read_bytes()[8:]),
    "run-weights-header-nested": sealed(WEIGHTS, lambda _: struct.pack("<Q", 200_000) + b"[" * 200_000),
    "run-weights-of-other-shapes": sealed(WEIGHTS, _wrong_shapes),
    "run-weights-one-missing": sealed(WEIGHTS, _one_tensor_less),
    "run-weights-not-numbers": sealed(WEIGHTS, _not_numbers),
    "run-weights-linked-from-outside": _link_out,
    "run-encoder-not-json": sealed("0/encoder.json", lambda _: b"{not json"),
    "run-encoder-other-json": sealed("0/encoder.json", lambda _: b"[1, 2, 3]"),
    "run-bundle-truncated": lambda run: (run / "model/bundle.json").write_bytes((run / "model/bundle.json").read_bytes()[:-40]) and None,
    "run-bundle-empty": replaced("model/bundle.json", b""),
    "run-bundle-list": replaced("model/bundle.json", b"[]"),
    "run-bundle-null": replaced("model/bundle.json", b"null"),
    "run-bundle-nested": replaced("model/bundle.json", b"[" * 200_000),
    "run-bundle-not-utf-8": replaced("model/bundle.json", b"\xff\xfe{}"),
    "run-bundle-is-folder": _bundle_is_folder,
    "run-bundle-of-the-future": edited(lambda tree: tree.update(format=99)),
    "run-bundle-path-leaves": edited(lambda tree: tree["files"].update({"../../../etc/passwd": "0" * 64})),
    "run-bundle-path-absolute": edited(lambda tree: tree["files"].update({"/etc/passwd": "0" * 64})),
    "run-bundle-without-members": edited(lambda tree: tree.update(members=[])),
    "run-bundle-without-schema": edited(lambda tree: tree.pop("schema")),
    "run-bundle-without-checksums": edited(lambda tree: tree.update(files={})),
    "run-bundle-unknown-network": edited(lambda tree: _first(tree).update(name="os.system")),
    "run-bundle-unknown-settings": edited(lambda tree: _first(tree).update(settings={"sorcery": 1})),
    "run-bundle-network-too-large": edited(lambda tree: _first(tree).update(name="mlp", settings={"width": 10**7, "depth": 3})),
    "run-bundle-unknown-task": edited(lambda tree: tree["target"].update(kind="fortune")),
    "run-bundle-other-classes": edited(lambda tree: tree["target"].update(kind="multiclass", classes=["a", "b", "c", "d"])),
}
