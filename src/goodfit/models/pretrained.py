"""Backbones of transformers from a folder or the hub: read without running anything that lies there, made again from the configuration alone.

B rows, C channels, H and W pixels, T tokens.

Read are config.json, weights as safetensors, preprocessor_config.json and the tokenizer's files. Weights as pickles (pytorch_model.bin) and code in the
folder (trust_remote_code) are refused. What training needs afterwards is the `Source`, as JSON and tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.base.errors import BundleError, SettingError
from goodfit.base.files import plain, read_json
from goodfit.data.preparation import Preparation
from goodfit.models.pretrained_inputs import first_line, library, pictures_of, quietly, vocabulary_of

# Of a configuration: where it came from, and what would fetch or run something else when a network is made of it.
_LEFT_OUT = (
    "_name_or_path", "auto_map", "dtype", "torch_dtype", "quantization_config", "use_pretrained_backbone", "attn_implementation",
    "_attn_implementation",
)  # fmt: skip
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
    transformers = library()
    folder = Path(source)
    local = folder.is_dir()
    if local:
        _refuse_unsafe(folder)
    elif folder.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise SettingError(
            f"model.source must be a folder with config.json and safetensors, or a name on the hub; {source!r} is no folder", value=source
        )
    with quietly(transformers):
        try:
            config = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False, local_files_only=local)
            if "/" in str(getattr(config, "_attn_implementation", "")):  # a name on the hub whose kernel would be fetched and run
                raise SettingError(
                    f"the network in {source} fetches code of its own (attn_implementation), which goodfit never runs", value=source
                )
            if local:
                _refuse_too_few(transformers, config, folder)
            network, report = transformers.AutoModel.from_pretrained(
                source, config=config, use_safetensors=True, trust_remote_code=False, local_files_only=local, dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
        except SettingError:
            raise
        except Exception as error:  # transformers raises any type for a folder that it cannot use; said in one sentence
            raise SettingError(
                f"model.source={source} cannot be read as a network of transformers: {first_line(error)}; give a folder with config.json and "
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
    if reads == "text":
        return Source(architecture, Texts(network), Preparation(vocabulary=vocabulary_of(transformers, source, config, local)), reads)
    return Source(architecture, Images(network), Preparation(pictures_of(transformers, source, config, local)), reads)


def built(architecture: dict[str, Any]) -> nn.Module:
    """The backbone of this configuration with fresh weights. Raises BundleError where this transformers cannot make it."""
    transformers = library()
    described = {key: value for key, value in architecture.items() if key not in _LEFT_OUT}
    with quietly(transformers):
        try:
            config = transformers.AutoConfig.for_model(described.pop("model_type"), **described)
            network = _encoder(transformers.AutoModel.from_config(config, trust_remote_code=False))
        except Exception as error:  # a configuration of another version fails in any way; said in one sentence
            raise BundleError(
                f"transformers {transformers.__version__} cannot make the network that the model folder describes ({first_line(error)}); it was written with "
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
        code = config.get("auto_map") or "/" in str(config.get("attn_implementation", ""))  # the latter as above
    except (BundleError, AttributeError) as error:
        raise SettingError(f"the config.json in {folder} is not readable as JSON; restore it", file=folder / "config.json") from error
    if code:
        raise SettingError(
            f"the network in {folder} brings code of its own (auto_map or attn_implementation in config.json), which goodfit never runs; give one without",
            file=folder,
        )


def _refuse_too_few(transformers: Any, config: Any, folder: Path) -> None:
    """Before any memory is taken: a network that its config.json makes larger than its weights can be would be filled with noise."""
    with torch.device("meta"):
        shapes = transformers.AutoModel.from_config(config, trust_remote_code=False)
    numbers = sum(parameter.numel() for parameter in shapes.parameters())
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if 2 * stored < numbers:  # at the least a byte for each, and half of them, as below
        raise SettingError(
            f"the network that the config.json in {folder} describes has {numbers:,} weights, and its safetensors take {stored:,} bytes; give a folder that "
            "save_pretrained wrote",
            file=folder,
        )
