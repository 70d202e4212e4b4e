"""Backbones of transformers from a folder or the hub: read without running anything that lies there, made again from the configuration alone.

B rows, C channels, H and W pixels, T tokens, F features.

Read are config.json, weights as safetensors, preprocessor_config.json and the tokenizer's files. Weights as pickles (pytorch_model.bin) and code in the
folder (trust_remote_code) are refused. What training needs afterwards is the `Source`, as JSON and tensors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import BundleError, MissingExtra, SettingError
from goodfit.base.files import plain, read_json
from goodfit.data.preparation import IMAGENET, Pictures, Preparation, Vocabulary, spread

PHOTOGRAPH = 224  # pixels: the side that most networks are trained on ImageNet with (Krizhevsky et al. 2012)
# Of a configuration: where it came from, and what would fetch or run something else when a network is made of it.
_LEFT_OUT = (
    "_name_or_path", "auto_map", "dtype", "torch_dtype", "quantization_config", "use_pretrained_backbone", "attn_implementation",
    "_attn_implementation",
)  # fmt: skip
# Files that a vocabulary lies in: that of the tokenizers library, WordPiece's, BPE's, and SentencePiece's under its several names.
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model")
_READS = {"pixel_values": "image", "input_ids": "text"}


@dataclass(frozen=True)
class Source:
    """What a folder of transformers holds. architecture: its configuration as JSON. reads: "image" or "text"."""

    architecture: dict[str, Any]
    network: nn.Module
    preparation: Preparation
    reads: str


class Texts(nn.Module):
    """A backbone for tokens, called with this house's `text` [B, T], in which 0 is padding and the tokenizer's ids are one higher."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *, text: Tensor) -> Any:
        real = text != 0  # B T
        return self.inner(input_ids=(text - 1).clamp_min(0).long(), attention_mask=real.long())


class Images(nn.Module):
    """A backbone for pictures, called with `image` [B, C, H, W]."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *, image: Tensor) -> Any:
        return self.inner(pixel_values=image)


def read(source: str) -> Source:
    """The backbone in the folder `source`, or of that name on the hub, in float32.

    Raises SettingError where there is none, where its weights are pickles, or where it reads neither pictures nor texts; MissingExtra without transformers.
    """
    library = _transformers()
    folder = Path(source)
    local = folder.is_dir()
    if local:
        _refuse_unsafe(folder)
    elif folder.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise SettingError(
            f"model.source must be a folder with config.json and safetensors, or a name on the hub; {source!r} is no folder", value=source
        )
    with _quietly(library):
        try:
            config = library.AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
            if "/" in str(getattr(config, "_attn_implementation", "")):  # a name on the hub whose kernel would be fetched and run
                raise SettingError(
                    f"the network in {source} fetches code of its own (attn_implementation), which goodfit never runs", value=source
                )
            if local:
                _refuse_too_few(library, config, folder)
            network, report = library.AutoModel.from_pretrained(
                source, config=config, use_safetensors=True, trust_remote_code=False, local_files_only=local, dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
        except SettingError:
            raise
        except Exception as error:  # transformers raises any type for a folder that it cannot use; said in one sentence
            raise SettingError(
                f"model.source={source} cannot be read as a network of transformers: {_first_line(error)}; give a folder with config.json and "
                "model.safetensors" + ("" if local else ", or a name on the hub while there is a network"),
                value=source,
            ) from error
    state = network.state_dict()
    missing = [name for name in report["missing_keys"] if name in state]
    if 2 * sum(state[name].numel() for name in missing) > sum(tensor.numel() for tensor in state.values()):
        raise SettingError(
            f"model.source={source} holds few of the weights of the network that its config.json describes: {len(missing)} of {len(state)} are missing, "
            f"{missing[0]!r} first; give a folder that save_pretrained wrote",
            value=source,
        )
    architecture = {key: value for key, value in plain(config.to_dict()).items() if key not in _LEFT_OUT}
    network = _encoder(network)
    reads = _reads(network, source)
    size = getattr(config, "image_size", None)
    if reads == "text":
        return Source(architecture, Texts(network), Preparation(vocabulary=_vocabulary(library, source, config, local)), reads)
    return Source(
        architecture, Images(network), Preparation(pictures=_pictures(folder if local else None, library, source, config, size)), reads
    )


def built(architecture: dict[str, Any]) -> nn.Module:
    """The backbone of this configuration with fresh weights. Raises BundleError where this transformers cannot make it."""
    library = _transformers()
    described = {key: value for key, value in architecture.items() if key not in _LEFT_OUT}
    with _quietly(library):
        try:
            config = library.AutoConfig.for_model(described.pop("model_type"), **described)
            network = _encoder(library.AutoModel.from_config(config, trust_remote_code=False))
        except Exception as error:  # a configuration of another version fails in any way; said in one sentence
            raise BundleError(
                f"transformers {library.__version__} cannot make the network that the model folder describes ({_first_line(error)}); it was written with "
                f"{architecture.get('transformers_version', 'another version')}"
            ) from error
    return Texts(network) if _reads(network, "the model folder") == "text" else Images(network)


def _encoder(network: Any) -> nn.Module:
    """The half that reads, of a network that reads and writes."""
    return network.get_encoder() if getattr(network.config, "is_encoder_decoder", False) else network


def _reads(network: Any, source: str) -> str:
    name = getattr(network, "main_input_name", "")
    if name not in _READS or getattr(network.config, "vision_config", None) is not None:
        what = "pictures and texts together" if name in _READS else repr(name)
        raise SettingError(
            f"a pretrained backbone must read pictures or texts alone; that of {source} reads {what}: give another", value=source
        )
    return _READS[name]


def _refuse_unsafe(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise SettingError(
            f"model.source must be a folder with config.json and model.safetensors, as save_pretrained writes it; {folder} has no config.json",
            file=folder,
        )
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for path in folder.glob("*.bin"))
        held = f"it holds {pickles[0]}, a pickle, which goodfit never opens since it can run code" if pickles else "it holds none"
        raise SettingError(
            f"the weights in {folder} must be safetensors; {held}: write them anew with save_pretrained(..., safe_serialization=True)",
            file=folder,
        )
    try:
        config = read_json(folder / "config.json")
        code = config.get("auto_map") or "/" in str(
            config.get("attn_implementation", "")
        )  # a name on the hub whose kernel would be fetched and run
    except (BundleError, AttributeError) as error:
        raise SettingError(f"the config.json in {folder} is not readable as JSON; restore it", file=folder / "config.json") from error
    if code:
        raise SettingError(
            f"the network in {folder} brings code of its own (auto_map or attn_implementation in config.json), which goodfit never runs; give one without",
            file=folder,
        )


def _refuse_too_few(library: Any, config: Any, folder: Path) -> None:
    """Before any memory is taken: a network that its config.json makes larger than its weights can be would be filled with noise."""
    with torch.device("meta"):
        shapes = library.AutoModel.from_config(config, trust_remote_code=False)
    numbers = sum(parameter.numel() for parameter in shapes.parameters())
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if 2 * stored < numbers:  # at the least a byte for each, and half of them, as below
        raise SettingError(
            f"the network that the config.json in {folder} describes has {numbers:,} weights, and its safetensors take {stored:,} bytes; give a folder that "
            "save_pretrained wrote",
            file=folder,
        )


def _pictures(folder: Path | None, library: Any, source: str, config: Any, size: Any) -> Pictures:
    """Size, channels, mean and deviation: from preprocessor_config.json where there is one, else ImageNet's."""
    own = config_side(size)
    channels = int(getattr(config, "num_channels", 3) or 3)
    document: dict[str, Any] = {}
    if folder is not None and (folder / "preprocessor_config.json").is_file():
        try:
            document = read_json(folder / "preprocessor_config.json")
        except BundleError as error:
            raise SettingError(f"{error.message}", file=error.file) from error
    elif folder is None:
        with _quietly(library), contextlib.suppress(Exception):  # a hub name without one has ImageNet's
            document = library.AutoImageProcessor.from_pretrained(source, trust_remote_code=False).to_dict()
    side = config_side(document.get("crop_size")) if document.get("do_center_crop", True) else None
    side = side or config_side(document.get("size")) or own or PHOTOGRAPH
    mean, std = document.get("image_mean") or IMAGENET[0], document.get("image_std") or IMAGENET[1]
    mean, std = ([value] if isinstance(value, int | float) else value for value in (mean, std))
    if document.get("do_normalize") is False:
        mean, std = (0.0,), (1.0,)
    if document.get("do_rescale") is False:  # pixels of 0 .. 255 as they are
        mean, std = [value / 255 for value in mean], [value / 255 for value in std]
    if channels not in (1, 3):
        raise SettingError(
            f"a backbone must read pictures of 1 or 3 channels; that of {source} reads {channels}: give another", value=source
        )
    # Places learned for one size are no places of another: a transformer that has an image_size reads that alone.
    fixed = own is not None and hasattr(config, "patch_size") and not hasattr(config, "window_size")
    return Pictures(channels, own if fixed else side, *spread(mean, std, channels), fixed=fixed)


def config_side(size: Any) -> int | None:
    """The side in pixels that a `size` or `crop_size` of transformers stands for; None for none.

    >>> config_side({"shortest_edge": 256}), config_side({"height": 32, "width": 32}), config_side(64), config_side(None)
    (256, 32, 64, None)
    """
    if isinstance(size, dict):
        size = next((size[key] for key in ("shortest_edge", "height", "longest_edge") if isinstance(size.get(key), int)), None)
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return int(size) if isinstance(size, int) and size > 0 else None


def _vocabulary(library: Any, source: str, config: Any, local: bool) -> Vocabulary:
    if local and not any((Path(source) / name).is_file() for name in _TOKENIZERS):  # transformers would make up an empty one
        raise SettingError(f"the tokenizer is missing in {source}; the folder must hold tokenizer.json beside the weights", value=source)
    with _quietly(library):
        try:
            tokenizer = library.AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=local, use_fast=True)
            model = tokenizer.backend_tokenizer.to_str()
        except Exception as error:  # any type, as above
            raise SettingError(
                f"the tokenizer in {source} cannot be read: {_first_line(error)}; the folder must hold tokenizer.json beside the weights",
                value=source,
            ) from error
    if (rows := getattr(config, "vocab_size", None)) is not None and tokenizer.backend_tokenizer.get_vocab_size() > rows:
        raise SettingError(
            f"the tokenizer in {source} has {tokenizer.backend_tokenizer.get_vocab_size():,} tokens and the network {rows:,}; they must be of one folder",
            value=source,
        )
    blanks = (getattr(config, name, None) for name in ("eos_token_id", "pad_token_id", "bos_token_id"))
    return Vocabulary(model, _room(config), next((blank for blank in blanks if isinstance(blank, int)), 0))


def _room(config: Any) -> int | None:
    """Tokens that the network has places for; None where they have no end."""
    most = next(
        (value for name in ("max_position_embeddings", "n_positions") if isinstance(value := getattr(config, name, None), int)), None
    )
    if most is None or most <= 0:
        return None
    # RoBERTa and its kin count places from behind the padding's id on.
    padded = config.model_type in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl", "data2vec-text", "longformer", "mpnet")
    return most - (config.pad_token_id or 0) - 1 if padded else most


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:240].rstrip(".")


@contextlib.contextmanager
def _quietly(library: Any) -> Iterator[None]:
    """Without transformers' own words and bars, which would stand among ours; what matters of them is raised."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # critical
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtra("model.name=pretrained", "pretrained") from None
    return transformers
