"""The networks by name: what each is for, what it reads, its settings with their defaults and the reasons, and how it is built.

One literal dict. A network takes the settings that its entry lists and no others; what is not given is taken from there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from goodfit.base.errors import SettingError, did_you_mean
from goodfit.base.parts import ModelPart
from goodfit.models import sizing
from goodfit.models.attention_rnn import AttentionRNN
from goodfit.models.bag import Bag
from goodfit.models.gru import GRU
from goodfit.models.lenet import LeNet5
from goodfit.models.linear import Linear
from goodfit.models.mixed import IMAGE_WIDTH, TEXT_FEATURES, Mixed
from goodfit.models.mlp import MLP
from goodfit.models.realmlp import RealMLP
from goodfit.models.resnet import IMAGENET, ResNet, cifar_blocks, cifar_resnet, imagenet_resnet, stem_for
from goodfit.models.resnet9 import ResNet9
from goodfit.models.seq2seq_transformer import Seq2SeqTransformer
from goodfit.models.series import SeriesRNN
from goodfit.models.tabm import TabM
from goodfit.models.tagger import LSTMTagger, TransformerTagger
from goodfit.models.transformer import Transformer
from goodfit.models.vgg import VGG, blocks_for
from goodfit.models.vit import ViT, patch_for

Inputs = Mapping[str, Mapping[str, Any]]
Settings = Mapping[str, Any]
Scaling = Literal["quantile", "standard", "robust"]


class Setting(NamedTuple):
    """A setting's default, and the reason for it."""

    default: Any
    reason: str


@dataclass(frozen=True)
class Entry:
    """One network. settings: every setting that it takes. inputs: the kinds it can read. scaling: how its numbers are encoded.

    grams: letters of the runs that it reads beside the words of a text, 0 for none; None where it reads the order of tokens, among which runs have no place.
    All networks serve all tasks: they give O numbers (or K times O), and the task says what they mean.
    """

    build: Callable[[Inputs, int, Settings], nn.Module]
    inputs: tuple[str, ...]
    settings: dict[str, Setting]
    purpose: str
    source: str
    scaling: Scaling = "quantile"
    grams: int | None = 0
    tasks: tuple[str, ...] = ("binary", "multiclass", "multilabel", "regression", "several")

    @property
    def defaults(self) -> dict[str, Any]:
        return {name: setting.default for name, setting in self.settings.items()}


def _columns(inputs: Inputs) -> tuple[int, list[int]]:
    """N numbers and the sizes of the categories."""
    return len(inputs.get("numbers", {}).get("names", ())), list(inputs.get("categories", {}).get("sizes", ()))


def _image(inputs: Inputs) -> tuple[int, int, int] | None:
    image = inputs.get("image")
    return (image["channels"], image["height"], image["width"]) if image else None


def _series(cell: str) -> Callable[[Inputs, int, Settings], nn.Module]:
    return lambda inputs, outputs, settings: SeriesRNN(inputs["series"]["channels"], outputs, cell=cell, **settings)


def _recurrent(cell: str, what: str, source: str) -> Entry:
    """A recurrent network for series."""
    return Entry(
        _series(cell),
        ("series",),
        {
            "width": Setting(128, "units of each direction"),
            "depth": Setting(2, "the second layer reads what both directions of the first have found"),
            "bidirectional": Setting(True, "the end of a series explains its beginning too"),
            "dropout": Setting(0.2, "between layers and before the answer; few series are overfitted soon"),
        },
        what,
        f"{source}; concat pooling: Howard and Ruder 2018",
    )


def _tagger(network: Callable[..., nn.Module], settings: dict[str, Setting], what: str, source: str) -> Entry:
    """A network that gives each token a tag."""
    return Entry(
        lambda inputs, outputs, given: network(inputs["tokens"]["vocabulary"], inputs["tokens"]["alphabet"], outputs, **given),
        ("tokens",),
        settings | {"crf": Setting(False, "on, a tag is scored beside the one before it, which costs the square of their number")},
        what,
        source,
        tasks=("tagging",),
    )


def _writer(network: Callable[..., nn.Module], settings: dict[str, Setting], what: str, source: str) -> Entry:
    """A network that turns a sequence into another."""
    return Entry(
        lambda inputs, outputs, given: network(inputs["source"]["vocabulary"], outputs, **given),
        ("source",),
        settings,
        what,
        source,
        tasks=("sequence",),
    )


def _vocabulary(inputs: Inputs) -> int:
    return int(inputs["text"]["vocabulary"]) if "text" in inputs else 0


def _numeric(inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The settings without `bins`, which is a count there and the edges of the bins for a network."""
    plain = {name: value for name, value in settings.items() if name != "bins"}
    return plain | {"bins": inputs.get("numbers", {}).get("bins") if settings.get("embedding") == "piecewise" else None}


_EMBEDDED = {
    "embedding": Setting("piecewise", "2.9 % less error than raw numbers on 17 data sets (arXiv 2604.15297)"),
    "embedding_dim": Setting(16, "TabM's own; smaller where the time limit asks for it"),
    "bins": Setting(48, "TabM's own; columns with fewer distinct values have fewer"),
}
_ENSEMBLE = {
    "width": Setting(256, "units of a block, by rows and time limit: 512 is TabM's own, half of it costs a quarter"),
    "depth": Setting(2, "TabM's own with embedded numbers; without, 3"),
    "members": Setting(32, "TabM's own; 16 where the time limit asks for it"),
    "dropout": Setting(0.1, "TabM's own. 0 where numbers are learned from columns: diamonds 0.086 against 0.099"),
    "activation": Setting("relu", "TabM's own; it overwrites its input, which saves memory and time"),
}

# Blocks of each stage of the residual networks, and whether they are bottlenecks.
RESIDUAL: dict[str, tuple[tuple[int, ...], bool]] = {f"resnet{depth}": IMAGENET[depth] for depth in (18, 34, 50)} | {
    f"resnet{depth}": (cifar_blocks(depth), False) for depth in (20, 56)
}


def _residual(make: Callable[..., ResNet], depth: int, width: int, purpose: str) -> Entry:
    """A residual network of the paper's, with its width."""
    return Entry(
        lambda inputs, outputs, settings: make(_image(inputs) or (0, 0, 0), outputs, depth=depth, **settings),
        ("image",),
        {
            "width": Setting(width, "the paper's, channels of the first stage; fewer where the time limit asks for it"),
            "stem": Setting(None, "by the size: small (3 x 3) up to 64 pixels, imagenet (7 x 7, a quarter of each side) beyond"),
            "residual": Setting(True, "without, the paper's plain network, which learns worse the deeper it is"),
            "dropout": Setting(0.0, "the paper's: batch norm and augmentation regularise it"),
        },
        purpose,
        "He, Zhang, Ren and Sun, Deep Residual Learning for Image Recognition, 2016",
    )


# Runs of 2 to 3 letters, each once a text, beside the words. A linear SVM on TF-IDF, five-fold on the training rows of spam three times over: error
# 1.05 % with them, 1.21 % with words alone, 1.12 % with runs of 3, 1.21 % with 3 and 4, 1.26 % with 4, 1.40 % with pairs of words; counted, they help less.
GRAMS = 3

# Networks that learn numbers from columns without dropout: what it adds to a unit's variance in training shifts the output when it is gone.
# RMSE on validation rows, two splits, with and without, TabM: diamonds 0.0991 and 0.0860, 0.0987 and 0.0855; bikeshare 27.2 and 26.3, 28.6 and 28.0;
# ames 0.1038 and 0.1029, 0.1423 and 0.1402. MLP: diamonds 0.0859 and 0.0852, 0.0862 and 0.0843; bikeshare 28.4 and 27.0, 29.2 and 29.9; ames 0.1024 and
# 0.1049, 0.1469 and 0.1458. (Özgür and Nar, Effect of Dropout Layer on Classical Regression Problems, 2020.)
NO_DROPOUT_FOR_NUMBERS = ("mlp", "tabm", "mixed")

CATALOGUE: dict[str, Entry] = {
    "linear": Entry(
        lambda inputs, outputs, settings: Linear(
            *_columns(inputs), outputs, vocabulary=_vocabulary(inputs), image=_image(inputs), **settings
        ),
        ("numbers", "categories", "text", "image"),
        {},
        "a first answer, and the baseline that every other network has to beat",
        "Legendre 1805 (least squares); Cox 1958 (logistic regression)",
        scaling="standard",
    ),
    "mlp": Entry(
        lambda inputs, outputs, settings: MLP(*_columns(inputs), outputs, image=_image(inputs), **_numeric(inputs, settings)),
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
        lambda inputs, outputs, settings: TabM(*_columns(inputs), outputs, **_numeric(inputs, settings)),
        ("numbers", "categories"),
        _ENSEMBLE | _EMBEDDED,
        "the default for tables: one network that is 32, with numbers bent by learned curves",
        "Gorishniy, Kotelnikov and Babenko, TabM, ICLR 2025",
    ),
    "realmlp": Entry(
        lambda inputs, outputs, settings: RealMLP(*_columns(inputs), outputs, **settings),
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
    "resnet9": Entry(
        lambda inputs, outputs, settings: ResNet9(_image(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "width": Setting(16, "channels of the first block, by images and time limit; 16 has 0.990 on mnist_5k in a minute of one core"),
            "dropout": Setting(0.0, "augmentation and label smoothing regularise it better"),
        },
        "the default for images: a small residual network",
        "Page, How to Train Your ResNet, DAWNBench 2018; He et al. 2016; Jordan, airbench, 2024",
    ),
    "lenet5": Entry(
        lambda inputs, outputs, settings: LeNet5(_image(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "activation": Setting("tanh", "the paper's; relu learns several times faster (Krizhevsky et al. 2012)"),
            "pool": Setting("mean", "the paper's; max keeps that a feature is there, not how much of it"),
        },
        "small images, the network that convolutions became known by",
        "LeCun, Bottou, Bengio and Haffner 1998",
    ),
    "vgg": Entry(
        lambda inputs, outputs, settings: VGG(_image(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "width": Setting(32, "channels of the first block, by images and time limit; the paper's 64 are for a million of them"),
            "depth": Setting(None, "blocks: until the shorter side has at most 4 pixels, 5 at most as in the paper"),
            "convolutions": Setting(2, "of a block: the paper's least deep blocks"),
            "dense": Setting(1, "hidden linear layers: the paper's two hold most of its weights"),
            "pool": Setting("max", "the paper's, at the end of each block"),
            "norm": Setting("batch", "allows 5 to 30 times the rate (Ioffe and Szegedy 2015); the paper, of 2014, has none"),
            "dropout": Setting(0.0, "batch norm and augmentation regularise it; the paper's 0.5 without a norm"),
        },
        "images, convolutions and pooling in turn without anything else",
        "Simonyan and Zisserman 2015",
    ),
    "resnet18": _residual(imagenet_resnet, 18, 64, "images, the usual residual network, for thousands of them and more"),
    "resnet34": _residual(imagenet_resnet, 34, 64, "images, a residual network of twice the depth of resnet18"),
    "resnet50": _residual(imagenet_resnet, 50, 64, "images, a deep residual network with bottlenecks, for tens of thousands and more"),
    "resnet20": _residual(cifar_resnet, 20, 16, "small images, a narrow residual network of 0.27 million weights"),
    "resnet56": _residual(
        cifar_resnet, 56, 16, "small images, a narrow residual network so deep that a plain one learns less than one of 20 layers"
    ),
    "vit": Entry(
        lambda inputs, outputs, settings: ViT(_image(inputs) or (0, 0, 0), outputs, **settings),
        ("image",),
        {
            "width": Setting(128, "a token's vector, by images and time limit; half of CCT-7's, which learns from 50,000 images"),
            "depth": Setting(6, "blocks, by images and time limit; CCT's 7 less one"),
            "heads": Setting(4, "32 dimensions a head, CCT's has 64"),
            "patch": Setting(None, "pixels between tokens, by the size: a power of two that leaves at most 8 x 8 tokens"),
            "stem": Setting("convolution", "overlapping tokens teach what neighbours are, which few images do not (Hassani et al. 2021)"),
            "pool": Setting("mean", "each token has a say; a class token has to learn where to look first"),
            "positions": Setting("learned", "the original's"),
            "dropout": Setting(0.0, "CCT's for tokens and branches: augmentation, label smoothing and decay regularise it"),
        },
        "images by attention, behind a few convolutions; it needs more images or more passes than a residual network",
        "Dosovitskiy et al. 2021 (ViT); Hassani et al. 2021 (convolutional stem)",
    ),
    "bag": Entry(
        lambda inputs, outputs, settings: Bag(_vocabulary(inputs), outputs, **settings),
        ("text",),
        {
            "width": Setting(
                None, "hidden units beside the linear model: 20 newsgroups 0.860 with none, 0.855 with 64; spam 0.988 with both"
            ),
            "dropout": Setting(
                0.1, "share of the words that a text loses in training; 0 to 0.2 are alike on 20 newsgroups and spam, 0.3 is worse"
            ),
        },
        "the default for text: which words occur, with weights learned for the task",
        "Salton and Buckley 1988 (TF-IDF); Joulin et al. and Bojanowski et al., fastText, 2017",
        grams=GRAMS,
    ),
    "transformer": Entry(
        lambda inputs, outputs, settings: Transformer(_vocabulary(inputs), outputs, **settings),
        ("text",),
        {
            "width": Setting(128, "a token's vector; what a two-core machine trains at a hundred texts a second"),
            "depth": Setting(2, "blocks; from scratch on thousands of texts more only cost"),
            "heads": Setting(4, "32 dimensions a head"),
            "dropout": Setting(0.1, "the original's"),
        },
        "text where the order of words matters, from tens of thousands of rows on",
        "Vaswani et al. 2017; Xiong et al. 2020 (pre-norm); Su et al. 2021 (rotary positions)",
        grams=None,
    ),
    "gru": Entry(
        lambda inputs, outputs, settings: GRU(_vocabulary(inputs), outputs, **settings),
        ("text",),
        {
            "width": Setting(128, "units of each direction"),
            "depth": Setting(1, "layers; time grows with each, and one already reads both ways"),
            "embedding_dim": Setting(128, "as many as units"),
            "bidirectional": Setting(True, "the end of a text explains its beginning too"),
            "dropout": Setting(0.3, "AWD-LSTM's range (Merity et al. 2018), since recurrent networks overfit few texts"),
        },
        "text where the order of words matters, with few rows",
        "Cho et al. 2014; concat pooling: Howard and Ruder 2018",
        grams=None,
    ),
    "series_rnn": _recurrent("rnn", "short series, as a first answer: what gated cells are compared with", "Elman 1990"),
    "series_lstm": _recurrent("lstm", "the default for series: numbers over time, of any length", "Hochreiter and Schmidhuber 1997"),
    "series_gru": _recurrent("gru", "series, with a quarter fewer weights than the LSTM", "Cho et al. 2014"),
    "lstm_tagger": _tagger(
        LSTMTagger,
        {
            "width": Setting(128, "units of each direction"),
            "depth": Setting(1, "a token then costs half a million multiply-adds: a million words in minutes on two cores"),
            "embedding_dim": Setting(100, "Ma and Hovy's, of a word"),
            "dropout": Setting(0.4, "near Ma and Hovy's 0.5"),
        },
        "the default for tagging: words and their letters, read in both directions",
        "Huang, Xu and Yu 2015; Ma and Hovy 2016",
    ),
    "transformer_tagger": _tagger(
        TransformerTagger,
        {
            "width": Setting(128, "a token's vector"),
            "depth": Setting(2, "blocks; more only cost on sentences"),
            "heads": Setting(4, "32 dimensions a head"),
            "embedding_dim": Setting(100, "Ma and Hovy's, of a word"),
            "dropout": Setting(0.2, "between the transformer's and the LSTM tagger's"),
        },
        "tagging where what decides stands far away",
        "Vaswani et al. 2017; letters: Chiu and Nichols 2016",
    ),
    "seq2seq_transformer": _writer(
        Seq2SeqTransformer,
        {
            "width": Setting(192, "a unit's vector"),
            "depth": Setting(3, "blocks that read, and as many that write"),
            "heads": Setting(4, "48 dimensions a head"),
            "dropout": Setting(0.1, "the original's"),
        },
        "the default from sequence to sequence, such as letters to phones",
        "Vaswani et al. 2017; Xiong et al. 2020 (pre-norm)",
    ),
    "attention_rnn": _writer(
        AttentionRNN,
        {
            "width": Setting(256, "units of what writes, half of them in each direction of what reads"),
            "depth": Setting(1, "layers of both; attention spares the deeper ones"),
            "embedding_dim": Setting(128, "of a unit that is read or written"),
            "dropout": Setting(0.2, "between layers and before the answer"),
        },
        "from sequence to sequence with a GRU that looks back at what it read",
        "Bahdanau, Cho and Bengio 2015",
    ),
    "mixed": Entry(
        lambda inputs, outputs, settings: Mixed(
            *_columns(inputs), outputs, vocabulary=_vocabulary(inputs), image=_image(inputs), **_numeric(inputs, settings)
        ),
        ("numbers", "categories", "text", "image"),
        _ENSEMBLE | _EMBEDDED,
        "the default for tables with text or images: columns, words and pixels in one network",
        "TabM's trunk over the encoders of bag and resnet9",
    ),
}


def names() -> tuple[str, ...]:
    """The networks, in the order of the catalogue."""
    return tuple(CATALOGUE)


def entry(name: str) -> Entry:
    """The entry of this name; raises SettingError with the nearest name when there is none."""
    if name not in CATALOGUE:
        raise SettingError(
            f"there is no network {name!r}{did_you_mean(name, CATALOGUE) or '; there are ' + ', '.join(CATALOGUE)}", value=name
        )
    return CATALOGUE[name]


def choose(kinds: Collection[str], rows: int, preset: str) -> str:
    """The default network for columns of these kinds (see data.dataset.Kind), or inputs of these names.

    rows and preset: taken by every default so far alike; a table's size is settled by `defaults`.
    """
    text, image = "text" in kinds, "image" in kinds
    columns = set(kinds) - {"text", "image", "identifier", "constant"}
    if "source" in kinds:
        return "seq2seq_transformer"
    if "tokens" in kinds:
        return "lstm_tagger"
    if "series" in kinds:
        return "series_lstm"
    if columns and not (text or image):
        return "tabm"
    if columns or (text and image):
        return "mixed"
    return "bag" if text else "resnet9" if image else "tabm"


def scaling(name: str) -> Scaling:
    """How the network's numbers are encoded: quantile, standard or robust."""
    return entry(name).scaling


def grams(name: str, given: int | None) -> int:
    """Letters of the runs that the network reads beside the tokens of a text: as given, else its own; raises SettingError where it cannot."""
    own = entry(name).grams
    if given and own is None:
        bags = [other for other, known in CATALOGUE.items() if "text" in known.inputs and known.grams is not None]
        raise SettingError(
            f"the network {name!r} reads tokens in their order, where runs of letters have no place: leave out data.grams, or take {' or '.join(bags)}",
            value=given,
        )
    return own or 0 if given is None else given


def checked(name: str, given: Settings) -> dict[str, Any]:
    """The settings that were given, when the network takes them all; raises SettingError for the first that it does not."""
    takes = entry(name).settings
    for setting in given:
        if setting not in takes:
            listed = ", ".join(f"model.{known}" for known in takes) or "no settings"
            raise SettingError(
                f"the network {name!r} does not take model.{setting}; it takes {listed}{did_you_mean(setting, takes)}", value=setting
            )
    return dict(given)


def taken(part: ModelPart) -> dict[str, Any]:
    """The network's settings in a resolved recipe."""
    return {name: getattr(part, name) for name in entry(part.name or "").settings if getattr(part, name) is not None}


def defaults(
    name: str, inputs: Inputs, *, rows: int, outputs: int, time_limit: float | None, threads: int, preset: str, numeric: bool
) -> dict[str, Any]:
    """The network's settings for data of this shape, sized to what `time_limit` seconds allow on `threads` threads (see sizing).

    numeric: whether all that it learns are numbers. preset: fast begins at smaller sizes, best at the largest. The same arguments give the same settings.
    """
    settings = entry(name).defaults
    if numeric and name in NO_DROPOUT_FOR_NUMBERS and (inputs.keys() & {"numbers", "categories"}):
        settings |= {"dropout": 0.0}
    if name == "mlp" and _columns(inputs)[0]:
        settings |= {"embedding": "piecewise"}
    if name in ("tabm", "mixed"):
        numbers, sizes = _columns(inputs)
        if not numbers:
            settings |= {"embedding": "none", "depth": 3}
        extra = (TEXT_FEATURES if "text" in inputs else 0) + (8 * IMAGE_WIDTH if "image" in inputs else 0)
        size = sizing.tabm_size(
            numbers, sizes, outputs, rows=rows, time_limit=time_limit, threads=threads,
            largest=sizing.TABM_LARGEST[preset], depth=settings["depth"], bins=settings["bins"], extra=extra,
        )  # fmt: skip
        settings |= dict(zip(("width", "members", "embedding_dim"), size, strict=True))
    if (image := _image(inputs)) is not None:
        settings |= _image_defaults(
            name, image, settings, rows=rows, outputs=outputs, time_limit=time_limit, threads=threads, preset=preset
        )
    return settings


def _image_defaults(
    name: str,
    image: tuple[int, int, int],
    settings: Settings,
    *,
    rows: int,
    outputs: int,
    time_limit: float | None,
    threads: int,
    preset: str,
) -> dict[str, Any]:
    """What an image network takes from the size of the images and from the time: its width, and what is None in the catalogue."""
    allowed = sizing.budget(rows, sizing.RESNET_EPOCHS, time_limit, threads, sizing.CONVOLUTIONS)
    if name == "resnet9":
        few = rows < 20_000  # below, twice the default's width learns no more: mnist_5k has 0.990 at 16
        most = {"fast": 16, "good": 32 if few else 64, "best": 64}[preset]
        return {"width": sizing.resnet_width(image, rows=rows, time_limit=time_limit, threads=threads, largest=most)}
    widths = [width for width in sizing.RESNET_WIDTHS if width <= (settings.get("width") or 0)]
    if name == "vgg":
        depth = blocks_for(image)

        def vgg(width: int) -> float:
            return sizing.vgg_cost(
                image, width, depth=depth, convolutions=settings["convolutions"], dense=settings["dense"], outputs=outputs
            )

        return {"depth": depth, "width": sizing.largest(widths, vgg, allowed)}
    if name in RESIDUAL:
        counts, bottleneck, stem = (*RESIDUAL[name], stem_for(image))

        def residual(width: int) -> float:
            return sizing.residual_cost(image, width, blocks=counts, bottleneck=bottleneck, stem=stem, projected=len(counts) == 4)

        return {"stem": stem, "width": sizing.largest(widths, residual, allowed)}
    if name == "vit":
        patch = patch_for(image)
        allowed = sizing.budget(rows, sizing.VIT_EPOCHS, time_limit, threads, sizing.PRODUCTS)
        size = sizing.largest(sizing.VIT_SIZES, lambda size: sizing.vit_cost(image, size[0], depth=size[1], patch=patch), allowed)
        return {"patch": patch, "width": size[0], "depth": size[1]}
    return {}


def build(name: str, inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
    """The network for inputs of this specification (the encoder's, with "bins" for piecewise embeddings), O outputs, fresh weights.

    Weights are drawn from torch's default generator, which the caller seeds. Raises SettingError where the network does not
    read an input that the data have, or does not take a setting.
    """
    own = entry(name)
    for kind in inputs:
        if kind not in own.inputs:
            fitting = [other for other, known in CATALOGUE.items() if set(inputs) <= set(known.inputs)]
            raise SettingError(
                f"the network {name!r} reads {', '.join(own.inputs)}, the data have {', '.join(inputs)}; take {' or '.join(fitting)}",
                value=name,
            )
    return own.build(inputs, outputs, {**own.defaults, **checked(name, settings)})


def example(inputs: Inputs, rows: int) -> dict[str, Tensor]:
    """A batch of the shape that the inputs have, for describing a network."""
    batch: dict[str, Tensor] = {}
    if "numbers" in inputs:
        batch["numbers"] = torch.zeros(rows, len(inputs["numbers"]["names"]))
    if "categories" in inputs:
        batch["categories"] = torch.zeros(rows, len(inputs["categories"]["sizes"]), dtype=torch.int32)
    if "text" in inputs:
        batch["text"] = torch.ones(rows, int(inputs["text"]["max_tokens"]), dtype=torch.int32)
    if "series" in inputs:
        steps = int(inputs["series"]["length"])
        batch["series"] = torch.zeros(rows, steps, int(inputs["series"]["channels"]))
        batch["lengths"] = torch.full((rows,), steps)
    if "source" in inputs:
        length = int(inputs["source"]["length"])
        batch["source"] = torch.ones(rows, length, dtype=torch.int32)
        batch["target"] = torch.ones(rows, length, dtype=torch.int64)
    if "tokens" in inputs:
        spec = inputs["tokens"]
        batch["tokens"] = torch.ones(rows, int(spec["length"]), dtype=torch.int32)
        batch["words"] = torch.ones(rows, int(spec["letters"]), dtype=torch.int32)
        batch["place"] = torch.zeros(rows, int(spec["length"]), dtype=torch.int64)
    if "image" in inputs:
        batch["image"] = torch.zeros(rows, *_image(inputs) or ())
    return batch


def listed() -> list[dict[str, Any]]:
    """The catalogue as JSON types."""
    return [
        {
            "name": name,
            "purpose": own.purpose,
            "inputs": list(own.inputs),
            "tasks": list(own.tasks),
            "settings": own.defaults,
            "reasons": {setting: about.reason for setting, about in own.settings.items()},
            "source": own.source,
        }
        for name, own in CATALOGUE.items()
    ]
