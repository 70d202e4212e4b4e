"""Every script in examples/ runs as written, from any folder, and is in its table; every network of the catalogue is in one of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from goodfit.models import catalogue

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs_as_written(script: Path, tmp_path: Path) -> None:
    source = str(EXAMPLES.parent / "src")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])}
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    (tmp_path / "printed.txt").write_text(done.stdout)  # what examples/README.md quotes
    assert done.stdout.strip(), "it prints what it found"
    assert "Traceback" not in done.stderr


def test_each_is_in_the_table() -> None:
    table = (EXAMPLES / "README.md").read_text()
    assert set(re.findall(r"^\| `(\w+\.py)`", table, re.MULTILINE)) == {path.name for path in SCRIPTS}


def test_every_network_is_in_one_of_them() -> None:
    table = (EXAMPLES / "README.md").read_text()
    assert [name for name in (*catalogue.names(), *catalogue.BROUGHT) if not re.search(rf"\b{name}\b", table)] == []
