"""How a pretrained network of transformers wants its pictures and texts: from the files beside its weights.

C channels. Read are preprocessor_config.json and the tokenizer's files; nothing that lies there is run.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from goodfit.base.errors import BundleError, MissingExtra, SettingError
from goodfit.base.files import read_json
from goodfit.data.encode_image import SMALLEST_SIDE
from goodfit.data.preparation import IMAGENET, Pictures, Vocabulary, spread

PHOTOGRAPH = 224  # pixels: the side that most networks are trained on ImageNet with (Krizhevsky et al. 2012)
LARGEST = 1_024  # pixels, as data.image_size
# Files that a vocabulary lies in: that of the tokenizers library, WordPiece's, BPE's, and SentencePiece's under its several names.
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model")


def pictures_of(transformers: Any, source: str, config: Any, local: bool) -> Pictures:
    """Size, channels, mean and deviation: from preprocessor_config.json where there is one, else ImageNet's.

    Raises SettingError for a file that says neither.
    """
    own, channels = side_of(getattr(config, "image_size", None)), int(getattr(config, "num_channels", 3) or 3)
    if channels not in (1, 3):
        raise SettingError(
            f"a backbone must read pictures of 1 or 3 channels; that of {source} reads {channels}: give another", value=source
        )
    about = _about(transformers, source, local)
    side = side_of(about.get("crop_size")) if about.get("do_center_crop", True) else None
    side = side or side_of(about.get("size")) or own or PHOTOGRAPH
    mean, std = ((0.0,), (1.0,)) if about.get("do_normalize") is False else (about.get("image_mean"), about.get("image_std"))
    mean, std = _numbers("image_mean", mean, IMAGENET[0], source), _numbers("image_std", std, IMAGENET[1], source)
    if about.get("do_rescale") is False:  # pixels of 0 .. 255 as they are
        mean, std = tuple(value / 255 for value in mean), tuple(value / 255 for value in std)
    # Places learned for one size are no places of another: a transformer that has an image_size reads that alone.
    fixed = own is not None and hasattr(config, "patch_size") and not hasattr(config, "window_size")
    side = own if fixed and own is not None else side
    if not SMALLEST_SIDE <= side <= LARGEST:
        raise SettingError(
            f"the network in {source} reads pictures of {side} pixels; goodfit gives {SMALLEST_SIDE} to {LARGEST}", value=source
        )
    return Pictures(channels, side, *spread(mean, std, channels), fixed=fixed)


def _about(transformers: Any, source: str, local: bool) -> dict[str, Any]:
    """What preprocessor_config.json says; nothing where there is none."""
    path = Path(source) / "preprocessor_config.json"
    if not local:
        with quietly(transformers), contextlib.suppress(Exception):  # a name on the hub without one has ImageNet's
            return dict(transformers.AutoImageProcessor.from_pretrained(source, trust_remote_code=False).to_dict())
        return {}
    if not path.is_file():
        return {}
    try:
        return dict(read_json(path))
    except (BundleError, TypeError, ValueError) as error:
        raise SettingError(
            f"{path.name} is not readable as JSON of a mapping; restore it, or remove it for ImageNet's preparation", file=path
        ) from error


def _numbers(name: str, given: Any, usual: tuple[float, ...], source: str) -> tuple[float, ...]:
    """One number or one a channel, finite, and above 0 where it is a deviation."""
    values = usual if given is None else (given,) if isinstance(given, int | float) else given
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(math.isfinite(value) and (value > 0 or name == "image_mean") for value in found):
        raise SettingError(
            f"{name} of the preprocessor_config.json in {source} must be a number for each channel{', above 0' if name == 'image_std' else ''}; it is "
            f"{str(given)[:80]}",
            value=source,
        )
    return found


def side_of(size: Any) -> int | None:
    """The side in pixels that a `size` or `crop_size` of transformers stands for; None for none.

    >>> side_of({"shortest_edge": 256}), side_of({"height": 32, "width": 32}), side_of(64), side_of(None)
    (256, 32, 64, None)
    """
    if isinstance(size, dict):
        size = next((size[key] for key in ("shortest_edge", "height", "longest_edge") if isinstance(size.get(key), int)), None)
    if isinstance(size, list | tuple) and size:
        size = size[0]
    return int(size) if isinstance(size, int) and size > 0 else None


def vocabulary_of(transformers: Any, source: str, config: Any, local: bool) -> Vocabulary:
    if local and not any((Path(source) / name).is_file() for name in _TOKENIZERS):  # transformers would make up an empty one
        raise SettingError(f"the tokenizer is missing in {source}; the folder must hold tokenizer.json beside the weights", value=source)
    with quietly(transformers):
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=local, use_fast=True)
            model = tokenizer.backend_tokenizer.to_str()
        except Exception as error:  # any type, as above
            raise SettingError(
                f"the tokenizer in {source} cannot be read: {first_line(error)}; the folder must hold tokenizer.json beside the weights",
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


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:240].rstrip(".")


@contextlib.contextmanager
def quietly(transformers: Any) -> Iterator[None]:
    """Without transformers' own words and bars, which would stand among ours; what matters of them is raised."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(50)  # critical
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def library() -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingExtra("model.name=pretrained", "pretrained") from None
    return transformers
