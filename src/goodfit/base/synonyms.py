"""What other programs call our settings, so that a message can name the one that is meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

# Names in scikit-learn, Keras, torch's examples, transformers and fastai.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "data.target": ("label", "labels", "target_column", "y"),
    "data.drop": ("exclude", "ignore", "ignore_columns", "drop_columns"),
    "data.weight": ("weights", "sample_weight", "weight_column"),
    "data.valid_fraction": ("validation_fraction", "validation_split", "val_split", "val_size", "valid_size"),
    "data.test_fraction": ("test_split", "test_size"),
    "data.balance": ("class_weight", "class_weights"),
    "data.image_size": ("img_size", "resolution"),
    "data.augment": ("augmentation", "augmentations"),
    "data.vocabulary": ("vocab", "vocab_size", "vocabulary_size", "max_features"),
    "data.tokens": ("tokenizer", "tokenization"),
    "data.max_tokens": ("max_length", "max_len", "sequence_length", "seq_len"),
    "model.name": ("model", "network", "architecture", "arch", "backbone", "estimator"),
    "model.width": ("hidden", "hidden_dim", "hidden_size", "hidden_units", "hidden_layer_sizes", "units", "channels", "d_model"),
    "model.depth": ("layers", "n_layers", "num_layers", "blocks", "n_blocks"),
    "model.dropout": ("drop_rate", "dropout_rate"),
    "model.norm": ("normalization", "normalisation", "batch_norm", "batchnorm", "layer_norm"),
    "model.heads": ("n_heads", "num_heads", "attention_heads"),
    "model.embedding_dim": ("embed_dim", "embedding_size", "d_embedding"),
    "model.latent_dim": ("code", "code_size", "bottleneck", "latent", "latent_size", "encoding_dim", "z_dim", "nz"),
    "optim.name": ("optimizer", "optimiser", "optim", "solver"),
    "optim.lr": ("learning_rate", "learning_rate_init", "eta", "eta0", "rate"),
    "optim.weight_decay": ("wd", "decay"),
    "optim.l2": ("alpha", "lambda", "reg_lambda", "ridge"),
    "optim.l1": ("reg_alpha", "lasso"),
    "optim.schedule": ("scheduler", "lr_scheduler", "lr_schedule", "lr_scheduler_type", "schedule_type"),
    "optim.warmup": ("warmup_ratio", "warmup_steps", "warmup_fraction"),
    "optim.clip": ("grad_clip", "gradient_clip", "gradient_clipping", "max_grad_norm", "clipnorm"),
    "optim.ema": ("ema_decay", "swa", "averaging"),
    "optim.eps": ("epsilon",),
    "train.epochs": ("epoch", "max_epochs", "n_epochs", "num_epochs", "num_train_epochs", "max_iter", "iterations"),
    "train.patience": ("early_stopping", "early_stopping_patience", "n_iter_no_change"),
    "train.batch_size": ("batch", "batchsize", "bs", "mini_batch", "minibatch_size", "per_device_train_batch_size"),
    "train.accumulate": ("accumulation", "accumulate_grad_batches", "gradient_accumulation_steps", "grad_accum"),
    "train.time_limit": ("timeout", "max_time", "budget", "time_budget"),
    "train.precision": ("amp", "bf16", "bfloat16", "dtype", "fp16", "mixed_precision"),
    "train.label_smoothing": ("smoothing",),
    "train.members": ("bagging", "ensemble", "ensemble_size", "n_estimators"),
    "train.checkpoint_every": ("checkpoint", "save_every", "save_steps"),
    "train.threads": ("n_jobs", "num_threads", "n_threads"),
    "seed": ("random_seed", "random_state"),
    "device": ("accelerator", "gpu"),
}
_NEAR = 0.84  # share of letters: learning_rte, not learning_curve


def meant(name: str, known: Collection[str]) -> str | None:
    """The setting that an unknown name stands for: in the wrong part or without one (`train.lr`, `lr`), or by another program's word for it.

    known: the full names of all settings.

    >>> meant("learning_rate", ["optim.lr", "seed"])
    'optim.lr'
    """
    word = name.rpartition(".")[2].strip().lower().replace("-", "_").replace(" ", "_")
    named: dict[str, list[str]] = {}
    for own, setting in _words(known):
        named.setdefault(own, []).append(setting)
    near = difflib.get_close_matches(word, named, n=1, cutoff=_NEAR)
    return named[near[0]][0] if near and len(named[near[0]]) == 1 else None


def _words(known: Collection[str]) -> Iterator[tuple[str, str]]:
    """(word, setting) for the settings' own last words and their synonyms."""
    for setting in known:
        yield setting.rpartition(".")[2], setting
    for setting, words in SYNONYMS.items():
        for word in words:
            if setting in known:
                yield word, setting
