"""Broken folders of pretrained networks, and networks of one's own that are not there; see `cases`."""

from __future__ import annotations

from cases import SOUND, Case, refused, used

NET = "train {in}/data.npz --target label --set model.source={in}/net --out {out}"
TEXTS = (
    "train {in}/data.csv --target label --set model.name=pretrained --set model.source={in}/net --set data.kinds.review=text --out {out}"
)


def folder(name: str, *says: str, call: str = NET, file: str = "", files: str | None = None) -> Case:
    return refused(name, *says, call=call, file=file, files=files)


CASES_OF_NETWORKS: list[Case] = [
    used("pretrained-sound", call=NET),
    used("pretrained-texts-sound", call=TEXTS),
    used("pretrained-without-preparation", call=NET),
    folder("pretrained-without-config", "has no config.json", file="net"),
    folder("pretrained-preparation-damaged", "preprocessor_config.json is not readable as JSON", file="preprocessor_config.json"),
    folder("pretrained-preparation-is-a-list", "is not readable as JSON of a mapping", file="preprocessor_config.json"),
    folder("pretrained-deviation-of-nothing", "must be a number for each channel, above 0"),
    folder("pretrained-mean-of-words", "must be a number for each channel; it is grey"),
    folder("pretrained-pickles", "a pickle, which goodfit never opens", file="net"),
    folder("pretrained-weights-cut", "cannot be read as a network of transformers"),
    folder("pretrained-weights-of-another", "holds few of the weights"),
    folder("pretrained-config-damaged", "is not readable as JSON", file="config.json"),
    folder("pretrained-config-is-a-list", "is not readable as JSON", file="config.json"),
    folder("pretrained-unknown-kind", "cannot be read as a network of transformers"),
    folder("pretrained-brings-code", "brings code of its own", file="net"),
    folder("pretrained-fetches-a-kernel", "brings code of its own", file="net"),
    folder("pretrained-claims-to-be-huge", "has 1|cannot be read as a network"),
    folder("pretrained-of-other-shapes", "cannot be read as a network of transformers"),
    folder("pretrained-without-tokenizer", "tokenizer", call=TEXTS),
    folder("pretrained-tokenizer-damaged", "tokenizer", call=TEXTS),
    folder("pretrained-of-texts-for-pictures", "reads texts; the data have image", file="data.npz"),
    folder("pretrained-in-no-folder", "is no folder", call=NET.replace("{in}/net", "{in}/nit"), files="pretrained-sound"),
    folder(
        "pretrained-from-nowhere",
        "needs model.source",
        call=NET.replace("model.source={in}/net", "model.name=pretrained"),
        files="pretrained-sound",
    ),
    folder("network-of-no-form", "package.module:function; 'nets' was given", call=f"{SOUND} --network nets", files="sound"),
    folder("network-of-no-module", "cannot be imported", call=f"{SOUND} --network absent_module:make", files="sound"),
    folder("network-that-is-no-network", "must make an nn.Module; it made", call=f"{SOUND} --network os:getcwd", files="sound"),
    folder("network-and-another", "asks for another", call=f"{SOUND} --network os:getcwd --set model.name=mlp", files="sound"),
    folder("network-by-recipe", "is the network that the call brings", call=f"{SOUND} --set model.name=own", files="sound"),
    folder("network-by-a-setting", "did you mean", call=f"{SOUND} --set model.sorce=os:getcwd", files="sound"),
]
