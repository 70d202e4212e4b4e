"""Each network on the data that it is for, as a user would train it: what it reaches, beside the goal, and the seconds of the whole command.

    python benchmarks/networks.py --data DIR [--only NETWORK/SET] [--seed 0] [--again]

JapaneseVowels: its own split. CMUdict: its own split; a word is right where any of its pronunciations is said, and its phone errors are those against
the nearest of them, over that one's phones. Brown: 57,340 tagged sentences, the last 5,734 of RandomState(0).permutation held out. mnist_5k: 4,000 pictures to
train, 1,000 to test (stratified, random_state 0). 20 newsgroups: its own split. Fortunes: the last tenth of the characters. Emoji: a quarter of the pictures held out
(stratified by class, random_state 0), whose names are asked for. wordnet_verbs: its own masks. esol: 820 molecules to train, 205 to test (the first four fifths of
RandomState(0).permutation, and the rest). co2 and bikeshare: the last fifth of the steps is the test, and each of its steps
is forecast from every one of the 52 weeks or 24 hours before it; the goal, which the mean absolute error must lie below, is the seasonal naive forecast on the same
steps, the value 52 weeks or 24 hours before (gaps bridged). At the furthest distance alone the naive forecast is the same; the network's is in the run's analysis.json
(targets, forecast, by_step). Lists, hulls, tours and digits on photographs are made by `drawn.py`. What is measured lies in results/networks.json; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

import drawn
import record as store
from record import OURS, Record, environment


def vowels(data: Path, folder: Path) -> list[str]:
    """The file as it is."""
    return [str(data / "series/JapaneseVowels.npz"), "--target", "y"]


def brown(data: Path, folder: Path) -> list[str]:
    """Two files of sentences."""
    with gzip.open(data / "tagging/brown.jsonl.gz", "rt", encoding="utf-8") as lines:
        sentences = [{name: row[name] for name in ("tokens", "tags")} for row in map(json.loads, lines)]
    order = np.random.RandomState(0).permutation(len(sentences))
    for part, rows in (("train", order[:-5734]), ("test", order[-5734:])):
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(sentences[i]) + "\n" for i in rows))
    return [str(folder / "train.jsonl"), "--target", "tags", "--test", str(folder / "test.jsonl")]


def weeks(data: Path, folder: Path) -> list[str]:
    """Carbon dioxide, week by week."""
    return [str(data / "series/co2.csv"), "--target", "co2", "--task", "forecast", "--set", "data.test_fraction=0.2"]


def bikes(data: Path, folder: Path) -> list[str]:
    """Riders, hour by hour; the weather is read up to the moment of the forecast."""
    return [str(data / "tables/bikeshare.csv.gz"), "--target", "bikers", "--task", "forecast", "--set", "data.test_fraction=0.2"]


def digits(data: Path, folder: Path) -> list[str]:
    """mnist_5k as one file with parts."""
    archive = np.load(data / "images/mnist_5k.npz")
    images, labels = archive["images"], archive["labels"]
    train, test = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=0, stratify=labels)
    arrays = {"image_train": images[train], "y_train": labels[train], "image_test": images[test], "y_test": labels[test]}
    np.savez(folder / "mnist_5k.npz", **arrays)
    return [str(folder / "mnist_5k.npz")]


def cmudict(data: Path, folder: Path) -> list[str]:
    """The file as it is."""
    return [str(data / "pairs/cmudict.csv.gz"), "--source", "word", "--target", "phones", "--set", "data.split=split"]


def pronounced(data: Path, run: Path) -> dict[str, float]:
    """What the run says for each word of the test part: shares of wrong words and of wrong phones, any listed pronunciation being right."""
    import polars as pl

    known = pl.read_csv(data / "pairs/cmudict.csv.gz").filter(pl.col("split") == "test").group_by("word", maintain_order=True).agg("phones")
    known.select("word").write_csv(run / "words.csv")
    command = [sys.executable, "-m", "goodfit", "predict", str(run), str(run / "words.csv"), "--out", str(run / "said.csv"), "--json"]
    subprocess.run(command, check=True, capture_output=True)
    wrong = edits = phones = 0
    for said, right in zip(pl.read_csv(run / "said.csv")["prediction"].fill_null(""), known["phones"], strict=True):
        distance, length = min((edited(said.split(), one.split()), len(one.split())) for one in right)
        wrong, edits, phones = wrong + (distance > 0), edits + distance, phones + length
    return {"word_error_rate": wrong / len(known), "phone_error_rate": edits / phones}


def edited(said: list[str], right: list[str]) -> int:
    """Insertions, deletions and replacements between two lists (Levenshtein 1966)."""
    row = list(range(len(right) + 1))
    for i, one in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (one != other))
    return row[-1]


def verbs(data: Path, folder: Path) -> list[str]:
    """The graph as it is."""
    return [str(data / "graphs/wordnet_verbs.npz"), "--target", "labels"]


def esol(data: Path, folder: Path) -> list[str]:
    """Two files of molecules. The classes were made from the target."""
    with gzip.open(data / "graphs/esol_train.jsonl.gz", "rt", encoding="utf-8") as lines:
        molecules = list(lines)
    order = np.random.RandomState(0).permutation(len(molecules))
    cut = int(0.8 * len(molecules))
    for part, rows in (("train", order[:cut]), ("test", order[cut:])):
        (folder / f"{part}.jsonl").write_text("".join(molecules[i] for i in rows), encoding="utf-8")
    return [str(folder / "train.jsonl"), "--target", "logS", "--test", str(folder / "test.jsonl"), "--set", "data.drop=solubility"]


def newsgroups(data: Path, folder: Path) -> list[str]:
    """20 newsgroups with the package's split."""
    text = data / "text"
    return [str(text / "newsgroups_train.csv.gz"), "--target", "label", "--test", str(text / "newsgroups_test.csv.gz")]


def fortunes(data: Path, folder: Path) -> list[str]:
    """The file as it is."""
    return [str(data / "lm/fortunes.txt.gz")]


def emoji(data: Path, folder: Path) -> list[str]:
    """Pictures and names as one file with parts."""
    archive = np.load(data / "images/emoji_noto.npz")
    train, test = train_test_split(np.arange(len(archive["labels"])), test_size=0.25, random_state=0, stratify=archive["labels"])
    parts = {"train": train, "test": test}
    np.savez(
        folder / "emoji.npz", **{f"{name}_{part}": archive[name][rows] for part, rows in parts.items() for name in ("images", "captions")}
    )
    return [str(folder / "emoji.npz"), "--source", "images", "--target", "captions"]


def beside_retrieval(data: Path, run: Path) -> dict[str, float]:
    """BLEU, and what the caption of the likest training picture scores on the same rows."""
    target = json.loads((run / "analysis.json").read_text())["targets"][0]
    nearest = next(entry for entry in target["baselines"] if entry["name"].startswith("the likest"))["metrics"]
    return {"bleu": target["scores"]["metrics"]["bleu"]["value"]} | {f"{name}_of_retrieval": value for name, value in nearest.items()}


def given_back(data: Path, folder: Path) -> list[str]:
    """mnist_5k for an autoencoder; the labels are no input."""
    return [*digits(data, folder), "--task", "reconstruction"]


def letters_back(data: Path, folder: Path) -> list[str]:
    """The table of letters, 16 whole numbers for each, for an autoencoder."""
    return [str(data / "tables/letter.csv.gz"), "--target", "lettr", "--task", "reconstruction"]


def made(data: Path, folder: Path) -> list[str]:
    """mnist_5k for a generator."""
    return [*digits(data, folder), "--task", "generation"]


def beside_pca(data: Path, run: Path) -> dict[str, float]:
    """The error over that of PCA with a code of the same size, both on the sealed rows."""
    target = json.loads((run / "analysis.json").read_text())["targets"][0]
    pca = next(entry["metrics"]["mean_squared_error"] for entry in target["baselines"] if entry["name"] == "PCA")
    own = target["scores"]["metrics"]["mean_squared_error"]["value"]
    return {"error_over_pca": own / pca, "mean_squared_error": own, "pca": pca, "code": target["rebuilt"]["size"]}


def believed(data: Path, run: Path) -> dict[str, float]:
    """What else the judge says of the generated pictures."""
    metrics = json.loads((run / "analysis.json").read_text())["targets"][0]["scores"]["metrics"]
    return {name: metrics[name]["value"] for name in ("believed", "classes_present", "diversity", "frechet_distance")}


@dataclass(frozen=True)
class Case:
    """goal: the least value of the metric (the most, of an error), None where no figure was asked for. limit: of time. sets: further settings.

    judge: metrics that the run does not give itself, from the data's folder and the run's.
    """

    prepare: Callable[[Path, Path], list[str]]
    metric: str
    goal: float | None
    limit: str
    sets: tuple[str, ...] = ()
    judge: Callable[[Path, Path], dict[str, float]] | None = None


CASES: dict[str, Case] = {
    "series_rnn/JapaneseVowels": Case(vowels, "accuracy", None, "2m"),
    "series_gru/JapaneseVowels": Case(vowels, "accuracy", 0.97, "2m"),
    "series_lstm/JapaneseVowels": Case(vowels, "accuracy", 0.97, "2m"),
    "lstm_tagger/Brown": Case(brown, "accuracy", 0.965, "10m"),
    "transformer_tagger/Brown": Case(brown, "accuracy", 0.965, "10m"),
    # A hundred thousand words are seen a dozen times: there is little to guard against. Two networks side by side learn more in the same time than one on
    # two cores.
    "attention_rnn/CMUdict": Case(cmudict, "word_error_rate", 0.32, "15m", ("model.dropout=0.1", "train.members=2"), judge=pronounced),
    "seq2seq_transformer/CMUdict": Case(cmudict, "word_error_rate", 0.32, "15m", judge=pronounced),
    "forecast_lstm/co2": Case(weeks, "mean_absolute_error", 1.650, "5m"),
    "forecast_gru/co2": Case(weeks, "mean_absolute_error", 1.650, "5m"),
    "forecast_lstm/bikeshare": Case(bikes, "mean_absolute_error", 52.7, "10m"),
    "forecast_gru/bikeshare": Case(bikes, "mean_absolute_error", 52.7, "10m"),
    "transformer/newsgroups": Case(newsgroups, "accuracy", 0.85, "10m"),
    "gpt/fortunes": Case(fortunes, "bits_per_character", 2.2, "15m"),
    "lstm_language/fortunes": Case(fortunes, "bits_per_character", None, "15m"),
    "captioner/emoji": Case(emoji, "word_f1", 0.114, "10m", ("data.image_size=32",), judge=beside_retrieval),
    "caption_rnn/emoji": Case(emoji, "word_f1", 0.114, "10m", ("data.image_size=32",), judge=beside_retrieval),
    "lenet5/mnist_5k": Case(digits, "accuracy", None, "5m"),
    "vgg/mnist_5k": Case(digits, "accuracy", 0.985, "5m"),
    "resnet20/mnist_5k": Case(digits, "accuracy", 0.985, "5m"),
    "vit/mnist_5k": Case(digits, "accuracy", 0.97, "15m"),
    "graphsage/wordnet_verbs": Case(verbs, "accuracy", 0.71, "5m"),
    "gcn/wordnet_verbs": Case(verbs, "accuracy", 0.71, "5m"),
    "gat/wordnet_verbs": Case(verbs, "accuracy", 0.71, "5m"),
    "gin/esol": Case(esol, "root_mean_squared_error", 0.75, "5m"),
    "autoencoder/mnist_5k": Case(given_back, "error_over_pca", 1.0, "3m", judge=beside_pca),
    "conv_autoencoder/mnist_5k": Case(given_back, "error_over_pca", 1.0, "3m", judge=beside_pca),
    "autoencoder/letter": Case(letters_back, "error_over_pca", 1.0, "3m", judge=beside_pca),
    "dcgan/mnist_5k": Case(made, "confidence", 0.9, "10m", judge=believed),
    # Of hundreds of thousands of lists, one in a hundred tells when to stop.
    "pointer_transformer/sorting": Case(drawn.sorting, "accuracy", None, "5m", ("data.valid_fraction=0.02",)),
    "pointer_transformer/hull": Case(drawn.hulls, "accuracy", 0.85, "15m", ("data.valid_fraction=0.01",)),
    "pointer_transformer/tour": Case(drawn.tours, "accuracy", None, "15m", ("data.valid_fraction=0.02",)),
    "pointer/hull": Case(drawn.hulls, "accuracy", None, "15m", ("data.valid_fraction=0.01",)),
    "anchor_detr/digits_on_photographs": Case(drawn.digits_on_photographs, "map_50", 0.8, "15m"),
}


def render(record: Record) -> str:
    """The table of the results."""
    rows = []
    for cell in record.cells():
        key, values = cell["key"], cell["values"]
        case = CASES[f"{key['network']}/{key['set']}"]
        interval = "" if values["low"] is None else f"{values['low']:.4f} to {values['high']:.4f}"
        goal = "" if case.goal is None else f"{case.goal:g}"
        rows.append(
            [
                key["network"],
                key["set"],
                str(key["seed"]),
                case.metric,
                f"{values['value']:.4f}",
                goal,
                interval,
                f"{values['seconds']:.0f}",
                case.limit,
            ]
        )
    head = ["network", "set", "seed", "metric", "value", "goal", "95 % interval", "seconds", "limit"]
    return "# Networks\n\n" + store.table(head, rows) + "\n\n" + store.describe(record, record.cells())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="measure what has been measured")
    given = parser.parse_args()
    record = Record("networks")
    for name, case in CASES.items():
        network, data = name.split("/")
        key: dict[str, Any] = {"network": network, "set": data, "seed": given.seed}
        if (given.only and name != given.only) or (record.has(key) and not given.again):
            continue
        with tempfile.TemporaryDirectory() as place:
            call = [sys.executable, "-m", "goodfit", "train", *case.prepare(given.data, Path(place)), "--seed", str(given.seed), "--json"]
            call += ["--time-limit", case.limit, "--out", f"{place}/run"]
            for setting in (f"model.name={network}", *case.sets):
                call += ["--set", setting]
            begun = time.monotonic()
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            seconds = time.monotonic() - begun
            if done.returncode:
                print(f"{name}: {done.stderr[-2000:]}", file=sys.stderr)
                continue
            metrics = json.loads(done.stdout)["metrics"]
            more = {} if case.judge is None else case.judge(given.data, Path(place) / "run")
        score = metrics.get(case.metric) or {"value": more[case.metric], "low": None, "high": None}
        values = {"value": score["value"], "low": score["low"], "high": score["high"], "seconds": seconds, "more": more}
        record.put(key, values, environment(OURS, ("goodfit", "torch", "polars", "numpy")))
        print(f"{name}: {case.metric} {score['value']:.4f} {more or ''} ({seconds:.0f} s)", file=sys.stderr, flush=True)
    print(store.publish(record, render))


if __name__ == "__main__":
    main()
