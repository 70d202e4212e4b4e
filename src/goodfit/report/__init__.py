"""Pictures and pages from the records of a run. Nothing is computed here."""

from pathlib import Path


def build(run_folder: Path) -> Path:
    """Write `report.html` from the records in a run folder and return its path."""
    from goodfit.report.page import build as build_page  # here, so that the terminal's summary does not load what draws charts

    return build_page(run_folder)


__all__ = ["build"]
