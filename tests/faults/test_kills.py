"""Real processes of `goodfit train`, killed with -9 at random instants, end in the same bits when they are resumed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "benchmarks" / "kills.py"
_SPEC = importlib.util.spec_from_file_location("kills", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
kills = importlib.util.module_from_spec(_SPEC)
sys.modules["kills"] = kills  # dataclasses look their module up by name
_SPEC.loader.exec_module(kills)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_kills(tmp_path: Path) -> None:
    results = list(kills.trials(20, 0, tmp_path, kills.CASES))
    assert len(results) == 20
    assert [result for result in results if not result["same"]] == []
    assert sum(bool(result["checkpoints"]) for result in results) >= 5  # some must have gone on from the middle
