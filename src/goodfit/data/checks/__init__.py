"""What is wrong with the data, looked for before training: one check a file, each a function from a Sample to findings.

No warning without an effect that clears chance and a remedy; what is merely worth knowing is a remark. The targets of the test rows
are never looked at. Codes are those of the vocabulary of faults, and `data.constant`, `data.duplicate-column`, `data.identifier`.
"""

from __future__ import annotations

from goodfit.base.records import Finding
from goodfit.data.checks.columns import check_columns
from goodfit.data.checks.labels import check_labels
from goodfit.data.checks.leak import check_leaks
from goodfit.data.checks.outliers import check_outliers
from goodfit.data.checks.repeats import check_repeats
from goodfit.data.checks.sample import draw
from goodfit.data.checks.shift import check_shift
from goodfit.data.dataset import Dataset
from goodfit.data.graph_columns import rows_of
from goodfit.data.splits import Split
from goodfit.data.target import STRUCTURED, UNLABELLED, TargetSpec

SEVERITIES = ("error", "warning", "remark")


def check(dataset: Dataset, target: TargetSpec, split: Split, seed: int) -> list[Finding]:
    """Everything found, the gravest first. Large data are sampled, so that it takes seconds whatever their size.

    target: as detected; mean and std do not matter here.
    """
    if target.kind in (
        "forecast",
        "language",
    ):  # what was missing or cut was said when rows became windows; a text has no columns that could leak
        return []
    sample = draw(dataset, target, split, seed)
    if target.kind in (*STRUCTURED, *UNLABELLED):  # all other checks ask what a column says of a row's one answer
        return sorted(check_repeats(sample), key=lambda finding: SEVERITIES.index(finding.severity))
    found = check_labels(sample)
    if all(finding.severity != "error" for finding in found):
        found += check_leaks(sample)
    if rows_of(dataset.schema) != "nodes":  # leaves of one neighbour are alike by nature
        found += check_repeats(sample)
    found += check_shift(sample) + check_outliers(sample) + check_columns(sample)
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
