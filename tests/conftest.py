"""The order of the tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: at the end one process would wait for the other's twenty kills."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
