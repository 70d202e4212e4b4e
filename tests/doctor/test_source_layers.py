"""Edits of widths, norms, depth and batch sizes: what comes out is read again, and what cannot be followed is left alone."""

from __future__ import annotations

from pathlib import Path

from goodfit.doctor.program import Place
from goodfit.doctor.source_layers import group_norms, insert_hidden, insert_norms, set_batch, set_depth, widen

HEAD = "import torch\nfrom torch import nn\n"
NET = (
    HEAD
    + """
class Net(nn.Module):
    def __init__(self, hidden=3):
        super().__init__()
        self.a = nn.Linear(3, hidden)
        self.n = nn.BatchNorm1d(hidden)
        self.b = nn.Linear(hidden, 3)
        self.out = nn.Linear(3, 3)
"""
)


def written(folder: Path, text: str) -> str:
    file = folder / "train.py"
    file.write_text(text)
    return str(file)


def test_hidden_widths_are_followed_to_the_name_and_ends_are_kept(tmp_path: Path) -> None:
    edit = widen(written(tmp_path, NET), 3, 64, "Net")
    assert edit is not None
    assert "hidden=64" in edit.after
    assert "nn.Linear(hidden, 64)" in edit.after
    assert "nn.Linear(64, 3)" in edit.after
    assert "nn.Linear(3, hidden)" not in edit.after  # that line does not change


def test_a_sequential_is_widened_and_a_computed_width_is_left_alone(tmp_path: Path) -> None:
    edit = widen(written(tmp_path, HEAD + "m = nn.Sequential(nn.Linear(8, 2), nn.ReLU(), nn.Linear(2, 2))\n"), 2, 64)
    assert edit is not None
    assert edit.after == "m = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))"
    assert widen(written(tmp_path, HEAD + "w = 1 + 1\nm = nn.Sequential(nn.Linear(8, w), nn.Linear(w, 2))\n"), 2, 64) is None
    assert widen(str(tmp_path / "gone.py"), 2, 64) is None


def test_a_list_of_widths_is_followed_where_there_is_one(tmp_path: Path) -> None:
    text = (
        HEAD
        + "def build(sizes):\n    a = 8\n    for size in sizes:\n        parts.append(nn.Linear(a, size))\n    return parts\n\nm = build([32, 2])\n"
    )
    edit = widen(written(tmp_path, text), 2, 64)
    assert edit is not None
    assert edit.after == "m = build([32, 64])"
    assert widen(written(tmp_path, text + "n = build([2])\n"), 2, 64) is None


def test_norms_stand_behind_all_layers_but_the_last(tmp_path: Path) -> None:
    edit = insert_norms(
        written(tmp_path, HEAD + "m = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 16), nn.Linear(16, 2))\n")
    )
    assert edit is not None
    assert "nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8))" in edit.after
    assert "nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16))" in edit.after
    assert edit.after.endswith("nn.Linear(16, 2))")


def test_the_only_layer_gets_one_before_it(tmp_path: Path) -> None:
    edit = insert_hidden(written(tmp_path, HEAD + "m = nn.Linear(8, 2)\n"), 64)
    assert edit is not None
    assert edit.after == "m = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))"
    assert insert_hidden(written(tmp_path, NET), 64, "Net") is None


def test_depth_by_its_name_or_by_a_range_around_layers(tmp_path: Path) -> None:
    by_name = set_depth(written(tmp_path, HEAD + "n_layers = 12\nbatch = 12\n"), 12, 2)
    assert by_name is not None
    assert by_name.after == "n_layers = 2"
    ranged = set_depth(
        written(tmp_path, HEAD + "for epoch in range(12):\n    pass\nblocks = [nn.Linear(4, 4) for _ in range(12)]\n"), 12, 1
    )
    assert ranged is not None
    assert ranged.after == "blocks = [nn.Linear(4, 4) for _ in range(1)]"
    assert set_depth(written(tmp_path, HEAD + "for epoch in range(12):\n    pass\n"), 12, 1) is None


def test_batch_size_of_a_loader_or_by_its_name(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + "from torch.utils.data import DataLoader\nloader = DataLoader(data, batch_size=512)\n")
    loaded = set_batch(Place(file, 4), file, 512, 32)
    assert loaded is not None
    assert "batch_size=32" in loaded.after
    file = written(tmp_path, HEAD + "BATCH_SIZE, EPOCHS = 512, 5\nother = 512\n")
    held = set_batch(None, file, 512, 32)
    assert held is not None
    assert held.after == "BATCH_SIZE, EPOCHS = 32, 5"
    assert set_batch(None, file, 100, 32) is None


def test_widths_and_depths_are_followed_to_what_is_handed_over(tmp_path: Path) -> None:
    tower = (
        HEAD
        + """
class Net(nn.Module):
    def __init__(self, width, depth=1):
        super().__init__()
        self.a = nn.Linear(3, width)
        self.rest = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.out = nn.Linear(width, 2)


MADE
"""
    )
    for made, wide, deep in (
        ("net = Net(width=4, depth=9)", "net = Net(width=64, depth=9)", "net = Net(width=4, depth=2)"),
        ("net = Net(4, 9)", "net = Net(64, 9)", "net = Net(4, 2)"),
        ("size = 4\nnet = Net(size, depth=9)", "size = 64", "net = Net(size, depth=2)"),
        ('config = {"width": 4, "depth": 9}\nnet = Net(config["width"], config["depth"])', '"width": 64', '"depth": 2'),
    ):
        file = written(tmp_path, tower.replace("MADE", made))
        wider, shallower = widen(file, 4, 64, "Net"), set_depth(file, 9, 2)
        assert wider is not None, made
        assert wide in wider.after
        assert shallower is not None, made
        assert deep in shallower.after
    assert widen(written(tmp_path, tower.replace("MADE", "one, other = Net(4), Net(5)")), 4, 64, "Net") is None, (
        "which of the two is not known"
    )


def test_batch_norm_as_group_norm(tmp_path: Path) -> None:
    edit = group_norms(written(tmp_path, HEAD + "a, b = nn.BatchNorm2d(16, momentum=0.2), nn.BatchNorm1d(8, eps=1e-3)\n"), 8)
    assert edit is not None
    assert "a, b = nn.GroupNorm(8, 16), nn.GroupNorm(1, 8, eps=1e-3)" in edit.after
    assert group_norms(written(tmp_path, NET.replace("BatchNorm1d(hidden)", "LayerNorm(hidden)")), 8) is None
