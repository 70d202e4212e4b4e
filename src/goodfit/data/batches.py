"""Batches by index gathers, in an order that is a pure function of seed and epoch.

n rows in use, B rows of a batch, C channels, H height, W width, L tokens or steps of the longest row of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodfit.base.errors import SettingError
from goodfit.base.records import Batch
from goodfit.base.streams import torch_stream
from goodfit.data.augment import Augment
from goodfit.data.augment_boxes import BoxAugment
from goodfit.data.encode_stream import Stream, Windows
from goodfit.data.encoded import Encoded, Ragged

NONE = -1  # behind the last unit of an answer
POOL = 50  # batches sorted by length together: padding nearly vanishes, and a batch still mixes 1 row in 50 of its length
MULTIPLE = 8  # tokens; lengths rounded up to it, so that few shapes occur and matrix units are filled. Sources and lists of points are not: nine letters are no 16
RESIDENT = 0.25  # of the accelerator's free memory that the data may take; the rest is the network's


def rows_at_once(inputs: Mapping[str, Any]) -> int:
    """Rows of a batch for scoring, by the encoder's specification: as many as fill the cores, few enough that what lies between layers stays
    near them. With attention over 256 tokens, 1,024 texts take a GiB a layer and eight times as long as in batches of 64."""
    if inputs.keys() & {"text", "series", "tokens", "source", "window", "stream", "caption"}:
        return 64
    if "image" not in inputs:
        return 256 if "points" in inputs else 1024
    pixels = inputs["image"].get("height", 64) * inputs["image"].get("width", 64)
    return max(16, min(256, 256 * 64 * 64 // pixels))  # 16 photographs of 256 pixels, 20 of 224


class Batches:
    """The rows of an encoded data set, batch by batch. Implements `base.protocols.Batches`.

    rows: int64 [n], positions in `encoded`. shuffle: a new order in every epoch; otherwise the order of `rows`, except that rows with
    texts or series are sorted by falling length (each Batch carries its rows). drop_last: leave out the last batch when it is short, unless it is the
    only one; which rows it holds is drawn anew in every epoch. augment: how images are changed, in training only.
    inputs: the encoder's specification, needed for images (mean and deviation) and for the longest text. device: where batches lie.
    On an accelerator the data are copied there once if they fit into a quarter of its free memory, else each batch is sent by itself.
    """

    def __init__(
        self,
        encoded: Encoded,
        rows: Tensor | np.ndarray,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool,
        device: str | torch.device = "cpu",
        augment: Augment | BoxAugment | None = None,
        drop_last: bool = False,
        inputs: Mapping[str, Any] | None = None,
    ) -> None:
        if batch_size < 1:
            raise SettingError(f"train.batch_size must be at least 1; {batch_size} was given", value=batch_size)
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.rows = torch.as_tensor(rows, dtype=torch.int64).cpu()
        assert self.rows.numel() == 0 or (int(self.rows.min()) >= 0 and int(self.rows.max()) < encoded.rows)
        self._seed, self._shuffle, self._augment = seed, shuffle, augment
        n = self.rows.numel()
        self._full = n // batch_size
        self._count = self._full if drop_last and self._full else -(-n // batch_size)
        ragged = [tensor.lengths for tensor in encoded.inputs.values() if isinstance(tensor, Ragged)]
        self._lengths = torch.stack(ragged).amax(0) if ragged else None  # on the CPU: the width of a batch must not wait for the device
        # Where rows are few, batches of one length alone would forget the others from one to the next.
        self._pool = min(POOL, max(1, self._full // 8)) if "source" in encoded.inputs else POOL
        self._alike = self._lengths if self._lengths is None else self._sorted_by(self._lengths, encoded)
        self._multiple = 1 if encoded.inputs.keys() & {"source", "points"} else MULTIPLE
        self._longest = inputs["text"]["max_tokens"] if inputs and "text" in inputs and "series" not in inputs else None
        self._resident = self.device.type == "cpu" or _fits(encoded, self.device)
        data = encoded.on(self.device) if self._resident else encoded
        self._dense = [(name, tensor) for name, tensor in data.inputs.items() if isinstance(tensor, Tensor)]
        self._lexicon = data.lexicon
        self._ragged = [(name, tensor) for name, tensor in data.inputs.items() if isinstance(tensor, Ragged)]
        self._target, self._weight = data.target, data.weight
        self._stream = next((tensor for tensor in data.inputs.values() if isinstance(tensor, Stream)), None)
        self._window = int(inputs["stream"]["length"]) if inputs and "stream" in inputs else 0
        self._windows = Windows(self._stream, self.rows, self._window, seed) if self._stream is not None and shuffle else None
        self._nothing = torch.empty(0, device=self.device)
        self._image: tuple[Tensor, Tensor] | None = None
        if "image" in data.inputs:
            if not inputs or "image" not in inputs:
                raise ValueError("images need inputs=encoder.inputs, which holds their mean and deviation")
            mean, std = (torch.tensor(inputs["image"][name], dtype=torch.float32, device=self.device) for name in ("mean", "std"))
            self._image = ((1 / (255 * std)).view(1, -1, 1, 1), (-mean / std).view(1, -1, 1, 1))
        self._epoch: int | None = None
        self._parts: tuple[Tensor, ...] = ()
        self._widths: list[int] = []

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self._count

    @property
    def plain(self) -> tuple[dict[str, Tensor], Tensor | None, Tensor | None] | None:
        """Inputs, target and weights of all rows where a batch is nothing but their gathers and those of `order`, else None."""
        made = self._ragged or self._stream is not None or self._image is not None or not self._resident
        return None if made else (dict(self._dense), self._target, self._weight)

    def order(self, epoch: int) -> Tensor:
        """[n] int64 the rows in the order of the epoch; batch b holds those from b * batch_size on. A pure function of seed and epoch."""
        if not self._shuffle:
            if self._lengths is None:
                return self.rows
            return self.rows[self._lengths[self.rows].argsort(descending=True, stable=True)]
        stream = torch_stream(self._seed, "order", epoch)
        order = self.rows[torch.randperm(self.rows.numel(), generator=stream)]
        if self._alike is None:
            return order
        whole = self._full * self.batch_size  # what is left over stays as drawn, so that no length is more often in the short batch
        main = order[:whole]
        pool = torch.arange(whole) // (self._pool * self.batch_size)
        main = main[(pool * (int(self._alike.max()) + 1) + self._alike[main]).argsort(stable=True)] if whole else main
        mixed = main.view(self._full, self.batch_size)[torch.randperm(self._full, generator=stream)]  # full batch_size
        return torch.cat([mixed.view(-1), order[whole:]])

    def _sorted_by(self, lengths: Tensor, encoded: Encoded) -> Tensor:
        """int64 [n] what rows of a batch have in common: their length, and where they are answered step by step, first of all that of the answer, since each
        of its steps waits for the one before."""
        if "source" not in encoded.inputs or encoded.target is None:
            return lengths
        answers = (encoded.target != NONE).sum(1).cpu()
        return answers * (int(lengths.max()) + 1) + lengths if lengths.numel() else lengths

    def batch(self, epoch: int, position: int) -> Batch:
        """The batch at `position` (from 0) of `epoch`; any, in any order. Without a target, `Batch.target` is empty."""
        if epoch != self._epoch:
            self._begin(epoch)
        rows = self._parts[position]
        inputs = {name: tensor.index_select(0, rows) for name, tensor in self._dense}
        for name, tensor in self._ragged:
            gathered = tensor.gather(rows, self._widths[position])
            if name == "tokens":
                assert self._lexicon is not None
                inputs |= self._lexicon.gather(gathered)
                continue
            inputs[name] = gathered
            if name in ("series", "points"):  # 0 is a value there, and no sign of the end
                inputs["lengths"] = tensor.lengths_of(rows)
        if self._windows is not None:
            inputs |= self._windows.inputs(rows, epoch)
        elif self._stream is not None:
            inputs |= self._stream.passages(rows, self._window // 2)
        target = self._nothing if self._target is None else self._target.index_select(0, rows)
        weight = None if self._weight is None else self._weight.index_select(0, rows)
        if not self._resident:
            inputs = {name: self._send(tensor) for name, tensor in inputs.items()}
            target, rows = self._send(target), self._send(rows)
            weight = None if weight is None else self._send(weight)
        if self._image is not None:
            inputs["image"] = self._picture(inputs["image"], rows, epoch, position)
            if isinstance(self._augment, BoxAugment):
                inputs["image"], target = self._augment.changed(inputs["image"], target, rows, self._seed, epoch, position)
        return Batch(inputs, target, weight, rows)

    def _begin(self, epoch: int) -> None:
        """Everything that an epoch's batches share, so that a batch costs its gathers alone."""
        if self._epoch is None or self._shuffle:
            order = self.order(epoch)[: self._count * self.batch_size]
            if self._lengths is not None:
                self._widths = self._widths_of(order)
            self._parts = (order.to(self.device) if self._resident else order).split(self.batch_size) if order.numel() else ()
        self._epoch = epoch

    def _widths_of(self, order: Tensor) -> list[int]:
        """Tokens or steps that each batch is padded to: its longest row, rounded up."""
        assert self._lengths is not None
        padded = torch.zeros(self._count * self.batch_size, dtype=torch.int64)
        padded[: order.numel()] = self._lengths[order]
        longest = padded.view(self._count, self.batch_size).amax(dim=1) if self._count else padded  # count batch_size -> count
        widths = (longest + self._multiple - 1) // self._multiple * self._multiple
        return (widths if self._longest is None else widths.clamp(max=self._longest)).tolist()

    def _picture(self, pixels: Tensor, rows: Tensor, epoch: int, position: int) -> Tensor:
        """uint8 [B, C, H, W] -> float32, mean 0 and deviation 1 over the training images, changed where that is wanted."""
        assert self._image is not None
        factor, offset = self._image
        if not isinstance(self._augment, Augment):
            return pixels.float().mul_(factor).add_(offset)
        draws = self._augment.draw(rows, self._seed, epoch, position)
        pixels = self._augment.on_pixels(pixels, draws)
        return self._augment.on_values(pixels.float().mul_(factor).add_(offset), draws)

    def _send(self, tensor: Tensor) -> Tensor:
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)


def _fits(encoded: Encoded, device: torch.device) -> bool:
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 8 << 30  # 8 GiB: other kinds of device do not say
    return encoded.nbytes() <= RESIDENT * free
