"""Networks that need no target: autoencoders, and the generator of a GAN with the discriminator that it plays against."""

from __future__ import annotations

from typing import Any

from torch import nn

from goodfit.models.autoencoder import Autoencoder, ConvAutoencoder
from goodfit.models.entry import Entry, Inputs, Setting, Settings, columns_of, image_of
from goodfit.models.gan import DCDiscriminator, DCGenerator

LARGEST, LEAST = 32, 2  # numbers of a code that is not asked for
PIXELS, COLUMNS = 8, 4  # for a number of the code, at least: of fewer PCA loses little, and there is hardly anything to gain


def latent_dim(inputs: Inputs) -> int:
    """Numbers of the code where none were asked for: an eighth of an image's pixels and 32 at most; a quarter of a table's columns."""
    if (image := image_of(inputs)) is not None:
        return max(LEAST, min(LARGEST, image[1] * image[2] // PIXELS))
    numbers, sizes = columns_of(inputs)
    return max(LEAST, (numbers + len(sizes)) // COLUMNS)


def discriminator(inputs: Inputs, settings: Settings, *, norm: str) -> nn.Module:
    """What a generator of these inputs and settings plays against. norm: batch, or layer beside a gradient penalty (see models.gan)."""
    channels, height, across = _picture(inputs)
    told = len(inputs["noise"].get("shares") or ())  # a plane for each class
    return DCDiscriminator((channels + told, height, across), width=settings["width"], norm=norm)


def _picture(inputs: Inputs) -> tuple[int, int, int]:
    noise = inputs["noise"]
    return noise["channels"], noise["height"], noise["width"]


def _coded(inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The networks' own arguments."""
    own = {name: value for name, value in settings.items() if name != "latent_dim"}
    return own | {"code": settings["latent_dim"] or latent_dim(inputs)}


def _dense(inputs: Inputs, outputs: int, settings: Settings) -> nn.Module:
    numbers, sizes = columns_of(inputs)
    image = image_of(inputs)
    if image is not None and not numbers and not sizes:
        return Autoencoder(image, **_coded(inputs, settings))
    return Autoencoder(numbers, sizes=sizes, beside=image, **_coded(inputs, settings))


_LATENT = Setting(None, "32 for an image, with which digits of 28 x 28 pixels stay readable; a quarter of a table's columns")
_NOISE = Setting(0.0, "none: what is gained by it depends on the data; Vincent et al. took 0.1 to 0.5 of a deviation")

ENTRIES: dict[str, Entry] = {
    "autoencoder": Entry(
        _dense,
        ("numbers", "categories", "image"),
        {
            "latent_dim": _LATENT,
            "width": Setting(256, "units of a hidden layer: a third of the pixels of a digit, and as an MLP's for columns"),
            "depth": Setting(1, "hidden layers on either side; 0 is linear and finds the space of PCA"),
            "activation": Setting("relu", "the cheapest, as for an MLP"),
            "noise": _NOISE,
        },
        "tables, the default for reconstruction: columns through a code of a few numbers; denoising with noise",
        "Hinton and Salakhutdinov 2006; Vincent et al. 2008 (denoising)",
        scaling="standard",
        tasks=("reconstruction",),
    ),
    "conv_autoencoder": Entry(
        lambda inputs, outputs, settings: ConvAutoencoder(image_of(inputs) or (0, 0, 0), **_coded(inputs, settings)),
        ("image",),
        {
            "latent_dim": _LATENT,
            "width": Setting(32, "channels of the first block; they double where the sides halve"),
            "noise": _NOISE,
        },
        "images, the default for reconstruction: convolutions to a code of a few numbers and back",
        "Masci, Meier, Ciresan and Schmidhuber 2011; Odena, Dumoulin and Olah 2016 (the way back)",
        tasks=("reconstruction",),
    ),
    "dcgan": Entry(
        lambda inputs, outputs, settings: DCGenerator(_picture(inputs), noise=inputs["noise"]["size"], width=settings["width"]),
        ("noise",),
        {
            "latent_dim": Setting(100, "the paper's"),
            "width": Setting(64, "the paper's for 64 x 64 pixels: channels of the layer next to the picture"),
        },
        "the default for generation: a generator of pictures, taught by a discriminator that tells them from real ones",
        "Goodfellow et al. 2014; Radford, Metz and Chintala, DCGAN, 2016; Gulrajani et al. 2017 (gradient penalty)",
        tasks=("generation",),
    ),
}
