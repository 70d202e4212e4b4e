"""The rules of the house that no single part can test: what may be imported, how long a file is, what a wheel holds."""

from __future__ import annotations

import ast
import email.parser
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "goodfit"
MODULES = sorted(SOURCE.rglob("*.py"))
CODE = [
    *MODULES,
    *sorted((ROOT / "tests").rglob("*.py")),
    *sorted((ROOT / "benchmarks").rglob("*.py")),
    *sorted((ROOT / "examples").rglob("*.py")),
]
LONGEST = 600  # lines; above this a file holds more than one idea

# Modules that run what they read, or that run other programs: goodfit reads files of strangers, so it needs none of them.
UNSAFE_MODULES = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "shelve",
    "code",
    "runpy",
    "subprocess",
    "pty",
}
UNSAFE_BUILTINS = {"eval", "exec", "compile", "__import__"}
UNSAFE_CALLS = {
    "torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "numpy.loads", "np.loads",
    "pandas.read_pickle", "pd.read_pickle", "pandas.eval", "pd.eval", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "os.system",
    "os.popen", "os.execv", "os.execvp", "os.spawnv", "builtins.eval", "builtins.exec", "importlib.import_module",
    "pkgutil.resolve_name",
}  # fmt: skip


def _name(node: ast.expr) -> str:
    """`a.b.c` of an attribute chain, else an empty string."""
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_safe_yaml(node: ast.Call) -> bool:
    """`yaml.load(..., Loader=X)` where X is a SafeLoader or derives from one in the same file (checked by its name)."""
    return any(
        word.arg == "Loader" and _name(word.value).split(".")[-1] in {"SafeLoader", "CSafeLoader", "_PlainLoader"} for word in node.keywords
    )


def unsafe(tree: ast.AST) -> Iterator[str]:
    """Every way in `tree` to run what was read, as `line: what`."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            called = _name(node.func)
            if called in UNSAFE_BUILTINS | UNSAFE_CALLS or (called == "yaml.load" and not _is_safe_yaml(node)):
                yield f"{node.lineno}: {called}()"
            for word in node.keywords:
                if word.arg in {"allow_pickle", "weights_only", "trust_remote_code"} and not (
                    isinstance(word.value, ast.Constant) and word.value.value is (word.arg == "weights_only")
                ):
                    yield f"{node.lineno}: {word.arg}="
        for name in names:
            if name.split(".")[0] in UNSAFE_MODULES or name in UNSAFE_CALLS:
                yield f"{node.lineno}: import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_can_run_what_it_reads(path: Path) -> None:
    found = list(unsafe(ast.parse(path.read_text())))
    if path == SOURCE / "__init__.py":  # `goodfit.train` is imported when it is first used, from a literal dict of names
        found = [what for what in found if "import_module" not in what]
    if path == SOURCE / "api" / "named.py":  # what the caller named in the call itself becomes code there, and nowhere else
        found = [what for what in found if "pkgutil.resolve_name" not in what]
        assert {other for other in MODULES if "goodfit.api.named" in other.read_text()} == {SOURCE / "api" / "brought.py"}
    if path == SOURCE / "api" / "team.py":  # it starts one program only: this very Python, with a line that names the worker
        assert path.read_text().count("subprocess.") == path.read_text().count("subprocess.Popen") + path.read_text().count(
            "subprocess.PIPE"
        )
        assert '[sys.executable, "-c", code]' in path.read_text()
        found = [what for what in found if "subprocess" not in what]
    if path == SOURCE / "doctor" / "__init__.py":  # names are imported when they are first used, from a literal dict
        found = [what for what in found if "import_module" not in what]
    if path == SOURCE / "doctor" / "child.py":  # it runs the script that the user named, and that alone, in a process of its own
        found = [what for what in found if not what.endswith((": exec()", ": compile()"))]
        assert {other for other in MODULES if "doctor.child" in other.read_text()} == {SOURCE / "doctor" / "script.py"}
    if path == SOURCE / "doctor" / "script.py":  # it starts this very Python, with the doctor's child
        assert path.read_text().count("subprocess.Popen(") == 1
        assert '[sys.executable, "-c", _start(folder)]' in path.read_text()
        found = [what for what in found if "subprocess" not in what]
    assert found == []


SEEN = [
    "import pickle",
    "from pickle import loads",
    "import joblib as j",
    "from torch import load",
    "import torch\ntorch.load('x')",
    "eval('1')",
    "exec('1')",
    "__import__('os')",
    "np.load(f, allow_pickle=True)",
    "torch.something(f, weights_only=False)",
    "yaml.load(f, Loader=yaml.Loader)",
    "yaml.load(f)",
    "def late():\n    import dill",
    "os.system('ls')",
    "import subprocess",
    "from importlib import import_module",
]


@pytest.mark.parametrize("code", SEEN)
def test_the_scan_sees_what_it_is_there_for(code: str) -> None:
    assert list(unsafe(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["network.eval()", "re.compile('x')", "torch.compile(f)", "np.load(f, allow_pickle=False)", "yaml.load(f, Loader=yaml.SafeLoader)"],
)
def test_the_scan_lets_the_harmless_pass(code: str) -> None:
    assert not list(unsafe(ast.parse(code)))


def test_yaml_is_loaded_by_a_safe_loader() -> None:
    import yaml

    from goodfit.base.recipe import _PlainLoader

    assert issubclass(_PlainLoader, yaml.SafeLoader)


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_holds_one_idea(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST, f"{path.name} has over {LONGEST} lines; split it"
    assert path.stem not in {"utils", "util", "helpers", "helper", "misc", "common", "stuff"}, "name the file after its idea"
    if path != Path(__file__).resolve():
        assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text), "finish it, or write an issue"


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(_name(base).split(".")[-1] in {"Protocol", "ABC"} for base in node.bases)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_stub_and_no_swallowed_error(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
            pytest.fail(f"{path.name}:{node.lineno} is a stub")
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path.name}:{node.lineno} catches everything, even an interrupt"
            passed_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if _name(node.type) in {"Exception", "BaseException"} and not passed_on:
                near = lines[node.lineno - 1] + lines[node.lineno]
                assert "#" in near, f"{path.name}:{node.lineno} catches {_name(node.type)} without a reason beside it"


def test_the_floors_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_stands_on_a_floor() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    placed = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    packages = {
        f"goodfit.{path.parent.name if path.name == '__init__.py' else path.stem}"
        for path in [*SOURCE.glob("*/__init__.py"), *SOURCE.glob("*.py")]
    }
    assert packages - placed <= {"goodfit.goodfit", "goodfit.__main__"}, "a package without a floor escapes the contract"


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = {"torch", "numpy", "polars", "sklearn", "altair", "PIL", "pandas", "safetensors"}
    code = f"import sys, goodfit.cli.main; print(*sorted({{name.split('.')[0] for name in sys.modules}} & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], "`goodfit --help` must not wait for these"


def _reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return _name(node.value) == "os.environ" and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Call) and _name(node.func) in {"os.getenv", "os.environ.get", "getenv"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_setting_comes_from_the_environment(path: Path) -> None:
    found = [node.lineno for node in ast.walk(ast.parse(path.read_text())) if _reads_environment(node)]  # type: ignore[attr-defined]
    assert not found


def test_each_pinned_version_is_one_that_the_project_accepts() -> None:
    from packaging.requirements import Requirement

    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = document["project"]
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    wanted = [
        *document["build-system"]["requires"],
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name != "goodfit":
            assert requirement.name.lower() in pinned, f"{requirement.name} is not pinned in constraints.txt"
            assert requirement.specifier.contains(pinned[requirement.name.lower()]), text


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_works_without_the_repository(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path),
        str(ROOT),
    ]
    pinned = os.environ | {"PIP_BUILD_CONSTRAINT": str(ROOT / "constraints.txt")}
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, env=pinned)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name.split("/")[0] for name in names if name.endswith("METADATA"))
        strangers = [name for name in names if not name.startswith(("goodfit/", f"{info}/"))]
        assert not strangers, "the wheel holds files that are no part of the package"
        assert {f"goodfit/{path.relative_to(SOURCE)}" for path in MODULES} <= set(names), "modules are missing in the wheel"
        assert f"{info}/licenses/LICENSE" in names
        metadata = email.parser.Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        archive.extractall(tmp_path / "site")
    core = {re.split(r"[<>=!~ ;\[]", text)[0].lower() for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text}
    stated = {
        re.split(r"[<>=!~ ;\[]", text)[0].lower()
        for text in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    }
    assert core == stated, "`pip install goodfit` brings the core and no extra"
    code = "import goodfit.cli.main, pathlib; print(pathlib.Path(goodfit.cli.main.__file__).resolve())"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to((tmp_path / "site").resolve())
