"""Networks for columns, alone or beside texts and images."""

from __future__ import annotations

from typing import Any

from goodfit.models.entry import Entry, Inputs, Setting, Settings, columns_of, image_of, vocabulary_of
from goodfit.models.linear import Linear
from goodfit.models.mixed import Mixed
from goodfit.models.mlp import MLP
from goodfit.models.realmlp import RealMLP
from goodfit.models.tabm import TabM


def numeric_of(inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The settings without `bins`, which is a count there and the edges of the bins for a network."""
    plain = {name: value for name, value in settings.items() if name != "bins"}
    return plain | {"bins": inputs.get("numbers", {}).get("bins") if settings.get("embedding") == "piecewise" else None}


EMBEDDED = {
    "embedding": Setting("piecewise", "2.9 % less error than raw numbers on 17 data sets (arXiv 2604.15297)"),
    "embedding_dim": Setting(16, "TabM's own; smaller where the time limit asks for it"),
    "bins": Setting(48, "TabM's own; columns with fewer distinct values have fewer"),
}
ENSEMBLE = {
    "width": Setting(256, "units of a block, by rows and time limit: 512 is TabM's own, half of it costs a quarter"),
    "depth": Setting(2, "TabM's own with embedded numbers; without, 3"),
    "members": Setting(32, "TabM's own; 16 where the time limit asks for it"),
    "dropout": Setting(0.1, "TabM's own. 0 where numbers are learned from columns: diamonds 0.086 against 0.099"),
    "activation": Setting("relu", "TabM's own; it overwrites its input, which saves memory and time"),
}


# Networks that learn numbers from columns without dropout: what it adds to a unit's variance in training shifts the output when it is gone.
# RMSE on validation rows, two splits, with and without, TabM: diamonds 0.0991 and 0.0860, 0.0987 and 0.0855; bikeshare 27.2 and 26.3, 28.6 and 28.0;
# ames 0.1038 and 0.1029, 0.1423 and 0.1402. MLP: diamonds 0.0859 and 0.0852, 0.0862 and 0.0843; bikeshare 28.4 and 27.0, 29.2 and 29.9; ames 0.1024 and
# 0.1049, 0.1469 and 0.1458. (Özgür and Nar, Effect of Dropout Layer on Classical Regression Problems, 2020.)
NO_DROPOUT_FOR_NUMBERS = ("mlp", "tabm", "mixed")


ENTRIES: dict[str, Entry] = {
    "linear": Entry(
        lambda inputs, outputs, settings: Linear(
            *columns_of(inputs), outputs, vocabulary=vocabulary_of(inputs), image=image_of(inputs), **settings
        ),
        ("numbers", "categories", "text", "image"),
        {},
        "a first answer, and the baseline that every other network has to beat",
        "Legendre 1805 (least squares); Cox 1958 (logistic regression)",
        scaling="standard",
    ),
    "mlp": Entry(
        lambda inputs, outputs, settings: MLP(*columns_of(inputs), outputs, image=image_of(inputs), **numeric_of(inputs, settings)),
        ("numbers", "categories", "image"),
        {
            "width": Setting(256, "the middle of what tuned networks for tables take (Gorishniy et al. 2021: 64 to 1,024)"),
            "depth": Setting(3, "as above: 1 to 8, most often 2 to 4"),
            "dropout": Setting(0.15, "RealMLP's; 0.25 is 2 to 5 % better on adult and satellite. 0 where numbers are learned from columns"),
            "activation": Setting("relu", "the cheapest, and no other is better by more than noise on tables"),
            "norm": Setting("none", "three layers on scaled inputs train without; batch or layer for deep ones"),
            "embedding": Setting(
                "none", "the plain network; piecewise where a table with numbers is trained on: diamonds 0.086 against 0.100"
            ),
            "embedding_dim": Setting(16, "TabM's"),
            "bins": Setting(48, "TabM's"),
        },
        "a plain network over columns or pixels",
        "Rumelhart, Hinton and Williams 1986",
    ),
    "tabm": Entry(
        lambda inputs, outputs, settings: TabM(*columns_of(inputs), outputs, **numeric_of(inputs, settings)),
        ("numbers", "categories"),
        ENSEMBLE | EMBEDDED,
        "the default for tables: one network that is 32, with numbers bent by learned curves",
        "Gorishniy, Kotelnikov and Babenko, TabM, ICLR 2025",
    ),
    "realmlp": Entry(
        lambda inputs, outputs, settings: RealMLP(*columns_of(inputs), outputs, **settings),
        ("numbers", "categories"),
        {
            "width": Setting(256, "RealMLP-TD's"),
            "depth": Setting(3, "RealMLP-TD's"),
            "dropout": Setting(0.15, "RealMLP-TD's"),
            "activation": Setting("selu", "RealMLP-TD's for classes"),
            "embedding": Setting("periodic", "RealMLP-TD's"),
            "embedding_dim": Setting(4, "RealMLP-TD's: three waves and the number itself"),
        },
        "tables, a second opinion beside tabm: different mistakes, for averaging the two",
        "Holzmüller, Grinsztajn and Steinwart, RealMLP-TD, NeurIPS 2024",
        scaling="robust",
    ),
    "mixed": Entry(
        lambda inputs, outputs, settings: Mixed(
            *columns_of(inputs), outputs, vocabulary=vocabulary_of(inputs), image=image_of(inputs), **numeric_of(inputs, settings)
        ),
        ("numbers", "categories", "text", "image"),
        ENSEMBLE | EMBEDDED,
        "the default for tables with text or images: columns, words and pixels in one network",
        "TabM's trunk over the encoders of bag and resnet9",
    ),
}
