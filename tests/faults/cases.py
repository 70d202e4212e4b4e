"""The table of broken inputs: what is given, and what must be said.

A case's files lie in `inputs/<name>/` or are made by `make_inputs.BUILDERS[name]`; a run is damaged by `damage.DAMAGES[name]`.
`{in}` is a copy of that folder, `{out}` a folder that does not exist, `{run}` a copy of a sound run (of `inputs/sound`),
`{sound}` the sound table. `refused`: exit 2, one sentence with the words (`a|b`: either), nothing written. `used`: exit 0, and it is said.
Rows are counted from 1, the header not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

TRAIN = "train {in}/data.csv --target label --out {out}"
SOUND = "train {sound} --target label --out {out}"
LINES = "train {in}/data.jsonl --target label --out {out}"
RECIPE = "train {sound} --target label --recipe {in}/recipe.yaml --out {out}"
NPZ = "train {in}/data.npz --target label --out {out}"
PICTURES = "train {in}/pictures --out {out}"
PREDICT = "predict {run} {in}/data.csv --out {out}.csv"
EVALUATE = "evaluate {run} {in}/data.csv"
ON_RUN = "predict {run} {sound} --out {out}.csv"


@dataclass(frozen=True)
class Case:
    """One call. `works` tells whether the input can be used; `files` is the folder below `inputs/` when it is not `name`.

    file: the file that must be named, "" for none.
    """

    name: str
    call: str
    works: bool
    says: tuple[str, ...]
    file: str | None = None
    row: int | None = None
    column: str | None = None
    files: str | None = None


def refused(
    name: str,
    *says: str,
    call: str = TRAIN,
    file: str | None = None,
    row: int | None = None,
    column: str | None = None,
    files: str | None = None,
) -> Case:
    named = next((word.rpartition("/")[2] for word in call.split() if word.startswith("{in}/data")), None)
    return Case(name, call, False, says, named if file is None else file, row, column, files)


def used(name: str, *says: str, call: str = TRAIN, files: str | None = None) -> Case:
    return Case(name, call, True, says, files=files)


def setting(name: str, text: str, *says: str) -> Case:
    """A `--set` that is refused."""
    return Case(f"set-{name}", f"{SOUND} --set {text}", False, says, files="sound")


def call(name: str, line: str, *says: str) -> Case:
    """A call that is refused although the files are sound."""
    return Case(f"call-{name}", line, False, says, files="sound")


def damaged(name: str, *says: str, line: str = ON_RUN) -> Case:
    return Case(name, line, False, says, files="sound")


def gz(end: str) -> str:
    return TRAIN.replace("data.csv", f"data.{end}")


FILES = [
    used("sound", call=TRAIN),
    refused("empty", "empty"),
    refused("blank-lines", "empty|no rows|no columns|blank"),
    refused("spaces-only", "empty|no rows|no header|no such column"),
    refused("header-only", "no rows|header"),
    refused("one-row", "row"),
    refused("two-rows", "row"),
    refused("target-only", "learn|feature|column"),
    refused("noise", "text|utf-8|read|table|nul|byte"),
    refused("html-page", "web page"),
    refused("prose", "label"),
    refused("png-named-csv", "text|utf-8|image|nul|byte|png"),
    refused("excel-file", "excel", call="train {in}/data.xlsx --target label --out {out}"),
    refused("arff-file", "arff", call="train {in}/data.arff --target label --out {out}"),
    used("unknown-suffix", call="train {in}/data.dat2 --target label --out {out}"),
    used("no-suffix", call="train {in}/data --target label --out {out}"),
    refused("gz-truncated", "gzip|compressed|cut|damaged|end", call=gz("csv.gz")),
    refused("gz-checksum-wrong", "gzip|compressed|damaged|checksum|crc", call=gz("csv.gz")),
    used("gz-of-text", "in spite of its name", call=gz("csv.gz")),
    refused("gz-empty", "empty", call=gz("csv.gz")),
    refused("gz-of-nothing", "empty", call=gz("csv.gz")),
    refused("gz-inside-gz", "gz|text|utf-8|compressed|byte", call=gz("csv.gz")),
    used("gz-named-csv", "in spite of its name"),
    refused("zip-of-two-tables", "zip", call=gz("zip")),
    refused("zip-empty", "zip", call=gz("zip")),
    refused("zip-truncated", "zip", call=gz("csv.zip")),
    used("zip-leaves-the-folder", call=gz("zip")),
    refused("zstd-junk", "zst|compressed", call=gz("csv.zst")),
    used("bz2-of-text", "in spite of its name", call=gz("csv.bz2")),
    refused("xz-junk", "xz|compressed", call=gz("csv.xz")),
    refused("parquet-truncated", "parquet", call=gz("parquet")),
    refused("parquet-magic-only", "parquet", call=gz("parquet")),
    refused("parquet-footer-lies", "parquet", call=gz("parquet")),
    refused("parquet-body-damaged", "parquet", call=gz("parquet")),
    refused("parquet-encrypted-magic", "parquet|utf-8", call=gz("parquet")),
    refused("parquet-without-rows", "no rows|row|empty", call=gz("parquet")),
    refused("parquet-empty", "empty|parquet", call=gz("parquet")),
    used("csv-named-parquet", "in spite of its name", call=gz("parquet")),
    refused("parquet-nested-column", "home", "data.drop=home", column="home", call=gz("parquet")),
    refused("parquet-binary-column", "blob", "data.drop=blob", column="blob", call=gz("parquet")),
    refused("arrow-truncated", "arrow", call=gz("arrow")),
    refused("arrow-junk", "arrow", call=gz("arrow")),
    used("csv-named-arrow", "in spite of its name", call=gz("arrow")),
    refused("arrow-nested-column", "home", "data.drop=home", column="home", call=gz("arrow")),
    refused("arrow-nan-target", "label", column="label", call=gz("arrow")),
    refused("hundred-thousand-columns", "column|row"),
    refused("link-loop", "link|exist|loop|no such|read"),
    refused("link-dangling", "link|exist|no such"),
    refused("pipe", "file"),
    refused("device-zero", "file"),
    refused("device-null", "file"),
    refused("folder-named-csv", "image|folder|picture|class"),
]

LINES_OF_TABLES = [
    refused("ragged-middle-long", "field|column|cell", row=17),
    refused("ragged-every-row-longer", "field|column|cell", row=1),
    refused("mixed-delimiters", "separator", row=21),
    used("unterminated-quote", "quote", "12"),
    used("header-twice", "age", "row 21"),
    refused("title-line-first", "first line|header"),
    refused("no-header", "label"),
    refused("carets", "label"),
    used("ragged-middle-short", "17"),
    used("ragged-tail", "41"),
    used("footer", "41|age"),
    refused("comment-lines-first", "first line|header"),
    used("semicolons", "semicolon"),
    used("tabs-named-csv", "tab"),
    used("pipes", "bar"),
    used("commas-named-tsv", "comma", call="train {in}/data.tsv --target label --out {out}"),
    used("quote-inside-field"),
    used("cr-endings"),
    used("crlf-endings"),
    used("mixed-endings"),
    used("no-final-newline"),
    used("blank-lines-between", "blank|empty"),
    used("multi-line-fields"),
    refused("nul-in-field", "nul", row=9),
    refused("nul-in-header", "nul", row=1),
    refused("nul-padding", "nul"),
    used("latin-1", "utf-8|latin|cp1252|windows-1252|encod"),
    used("cp1252", "utf-8|latin|cp1252|windows-1252|encod"),
    used("utf-16-le-bom", "utf-16"),
    used("utf-16-be-no-bom", "utf-16"),
    used("utf-32", "utf-32"),
    used("utf-8-bom"),
    used("utf-8-bom-then-invalid", "utf-8"),
    refused("utf-16-cut", "utf-16"),
    refused("ebcdic", "utf-8|encod|label|text|nul|byte"),
    used("one-invalid-byte", "utf-8|encod|cp1252|latin"),
    used("huge-field", "text|long|identifier|categor|age"),
]

HEADERS = [
    refused("duplicate-header", "age", row=1, column="age"),
    refused("duplicate-target-header", "label", row=1, column="label"),
    used("blank-header", "name"),
    refused("all-blank-header", "label|name"),
    used("header-with-spaces", "space"),
    refused("zero-width-header", "label", column="label"),
    used("decomposed-header", call="train {in}/data.csv --target Libéllé --out {out}".replace("Libéllé", "Lib\u00e9lle")),
    refused("right-to-left-header", "label", column="label"),
    refused("header-wrong-case", "label", "did you mean", "Label", column="label"),
    used("header-of-control-characters"),
    refused("header-with-line-break", "lab", column="label"),
    used("header-path-name"),
    used("header-of-code"),
    refused("very-long-header", "header", "10,000", row=1),
]

TARGETS = [
    refused(
        "target-missing",
        "lable",
        "did you mean",
        "label",
        column="lable",
        files="sound",
        call="train {in}/data.csv --target lable --out {out}",
    ),
    used("target-not-given", "no target was given", "label", files="sound", call="train {in}/data.csv --out {out}"),
    refused("target-not-given-nor-guessed", "target", files="target-not-given", call="train {in}/data.csv --out {out}"),
    used("target-empty-name", "no target was given", files="sound", call="train {in}/data.csv --target= --out {out}"),
    refused("target-twice", "label", file="", files="sound", call="train {in}/data.csv --target label,label --out {out}"),
    refused(
        "target-one-of-two-missing", "colour", column="colour", files="sound", call="train {in}/data.csv --target label,colour --out {out}"
    ),
    refused(
        "target-is-every-column", "learn|feature|column", files="sound", call="train {in}/data.csv --target age,city,pay,label --out {out}"
    ),
    refused("target-constant", "label", column="label"),
    refused("target-constant-number", "label", column="label"),
    refused("target-all-unique", "label", column="label"),
    refused("target-all-empty", "label", column="label"),
    refused("target-one-known", "target", "there is 1"),
    used("target-nine-in-ten-empty", "36 rows", "label"),
    refused("target-infinite", "label", row=7, column="label"),
    refused("target-overflows", "label", row=7, column="label"),
    used("target-number-with-a-word", "label", "unknown", "row 12", call=f"{TRAIN} --task regression"),
    refused("target-dates", "label", column="label"),
    refused("target-long-text", "label", column="label"),
    refused("target-every-class-once-but-one", "label", column="label"),
    used("target-half-empty", "20"),
    used("target-class-of-one", "maybe"),
    used("target-mixed-case", "YES|case"),
    used("target-with-spaces", "space"),
    used("target-thousands", "thousands"),
    refused("target-huge-numbers", "label", column="label"),
    used("target-multilabel-empty", call=f"{TRAIN} --task multilabel"),
    refused("target-task-regression-of-words", "label", column="label", files="sound", call=f"{TRAIN} --task regression"),
    refused(
        "target-task-binary-of-four",
        "city",
        column="city",
        files="sound",
        call="train {in}/data.csv --target city --task binary --out {out}",
    ),
    refused("target-dropped", "label", file="", files="sound", call=f"{TRAIN} --set data.drop=label"),
    refused("target-is-weight", "label|weight", file="", files="sound", call=f"{TRAIN} --set data.weight=label"),
    refused("target-is-split", "label|split", file="", files="sound", call=f"{TRAIN} --set data.split=label"),
    refused("target-is-group", "label|group", file="", files="sound", call=f"{TRAIN} --set data.group=label"),
    refused("target-is-time", "label|time", file="", files="sound", call=f"{TRAIN} --set data.time=label"),
]

FEATURES = [
    used("infinities", "infinit", "ratio"),
    used("numbers-overflow", "big"),
    used("integers-beyond-64-bits"),
    used("dates-in-five-formats", "joined"),
    used("dates-ambiguous", "joined"),
    used("dates-impossible", "joined"),
    used("dates-two-time-zones"),
    used("thousands-separators", "thousands", "price"),
    used("thousands-apostrophes", "price"),
    used("decimal-commas", "decimal|comma", "pay"),
    used("currency-signs", "price"),
    used("percent-signs", "share"),
    used("units-in-cells"),
    used("missing-in-words", "score"),
    used("number-among-words"),
    used("word-among-numbers", "size", "21|unknown"),
    used("booleans-mixed"),
    refused("all-features-constant", "learn|constant"),
    refused("all-features-empty", "learn|empty|constant|value"),
    refused("only-identifiers", "identif|learn"),
    refused("all-rows-equal", "label", "one value in every row"),
    used("same-features-two-answers", "label|conflict|row"),
    used("column-of-blanks", "remark"),
    used("emoji-and-bidi"),
    used("formula-cells"),
    used("fifty-copies-of-the-target", "copy"),
]

ROLES = [
    refused("weight-negative", "w", "from 0", "-1", row=15, column="w", call=f"{TRAIN} --set data.weight=w"),
    refused("weight-nan", "w", row=15, column="w", call=f"{TRAIN} --set data.weight=w"),
    refused("weight-missing", "w", row=15, column="w", call=f"{TRAIN} --set data.weight=w"),
    refused("weight-infinite", "w", row=15, column="w", call=f"{TRAIN} --set data.weight=w"),
    refused("weight-all-zero", "w", "zero|0", column="w", call=f"{TRAIN} --set data.weight=w"),
    refused("weight-words", "w", "number", row=1, column="w", call=f"{TRAIN} --set data.weight=w"),
    used("weight-zero-for-a-class", "weight", call=f"{TRAIN} --set data.weight=w"),
    refused("weight-column-absent", "heft", column="heft", files="sound", call=f"{TRAIN} --set data.weight=heft"),
    refused("split-unknown-word", "holdout", "train", row=20, column="part", call=f"{TRAIN} --set data.split=part"),
    refused("split-without-train", "train", column="part", call=f"{TRAIN} --set data.split=part"),
    refused("split-missing-cells", "part", row=20, column="part", call=f"{TRAIN} --set data.split=part"),
    refused("split-numbers", "part", "train", row=1, column="part", call=f"{TRAIN} --set data.split=part"),
    refused("split-train-has-one-class", "label|class", call=f"{TRAIN} --set data.split=part"),
    used("split-all-train", "no test rows|validation", call=f"{TRAIN} --set data.split=part"),
    refused("split-column-absent", "fold", column="fold", files="sound", call=f"{TRAIN} --set data.split=fold"),
    refused("group-of-one", "family", column="family", call=f"{TRAIN} --set data.group=family"),
    refused("group-of-two", "family", column="family", call=f"{TRAIN} --set data.group=family"),
    refused("group-missing", "family", row=8, column="family", call=f"{TRAIN} --set data.group=family"),
    refused("group-column-absent", "clan", column="clan", files="sound", call=f"{TRAIN} --set data.group=clan"),
    refused("time-unparsable", "when", row=17, column="when", call=f"{TRAIN} --set data.time=when"),
    refused("time-constant", "when", column="when", call=f"{TRAIN} --set data.time=when"),
    refused("time-missing", "when", row=17, column="when", call=f"{TRAIN} --set data.time=when"),
    refused("time-column-absent", "date", column="date", files="sound", call=f"{TRAIN} --set data.time=date"),
    refused("drop-column-absent", "colour", files="sound", call=f"{TRAIN} --set data.drop=colour"),
    refused("drop-everything", "learn|column|feature", files="sound", call=f"{TRAIN} --set data.drop=age,city,pay"),
    refused("kind-column-absent", "colour", files="sound", call=f"{TRAIN} --set data.kinds.colour=number"),
    refused("kind-number-of-words", "city", "number", row=1, column="city", call=f"{TRAIN} --set data.kinds.city=number"),
    refused("kind-date-of-words", "city", row=1, column="city", files="sound", call=f"{TRAIN} --set data.kinds.city=datetime"),
    refused("kind-image-of-words", "city", row=1, column="city", files="sound", call=f"{TRAIN} --set data.kinds.city=image"),
    refused("kind-boolean-of-numbers", "age", column="age", files="sound", call=f"{TRAIN} --set data.kinds.age=boolean"),
]

JSON_LINES = [
    refused("jsonl-broken-line", "json", row=3, call=LINES),
    refused("jsonl-array-line", "object", row=3, call=LINES),
    refused("jsonl-scalar-lines", "label|object", call=LINES),
    refused("jsonl-null-line", "object", row=3, call=LINES),
    refused("jsonl-deep-nesting", "json|nest|age", row=3, call=LINES),
    refused("jsonl-empty", "empty", call=LINES),
    used("csv-named-jsonl", "in spite of its name", call=LINES),
    used("jsonl-lone-surrogate", call=LINES),
    refused("jsonl-truncated", "json", row=40, call=LINES),
    used("jsonl-one-document", call=LINES),
    used("jsonl-blank-lines", call=LINES),
    used("jsonl-ragged-keys", call=LINES),
    used("jsonl-late-key", call=LINES),
    used("jsonl-mixed-types", call=LINES),
    refused("jsonl-nested", "home", "data.drop=home", column="home", call=LINES),
    refused("jsonl-lists", "marks", "data.drop=marks", column="marks", call=LINES),
    used("jsonl-nan-tokens", call=LINES),
    used("jsonl-duplicate-keys", call=LINES),
    used("jsonl-huge-integer", call=LINES),
    used("json-document-named-csv", "in spite of its name"),
]

RECIPES = [
    used("recipe-empty", call=f"{RECIPE} --set train.epochs=1 --set model.name=linear"),
    used("recipe-json", call=f"{RECIPE} --set train.epochs=1 --set model.name=linear"),
    used("recipe-part-is-null", call=f"{RECIPE} --set train.epochs=1 --set model.name=linear"),
    refused("recipe-list", "mapping", "recipe.yaml", call=RECIPE),
    refused("recipe-scalar", "mapping", call=RECIPE),
    refused("recipe-tabs", "yaml", "line 2", call=RECIPE),
    refused("recipe-unknown-part", "optimizer", "did you mean", "optim", call=RECIPE),
    refused("recipe-unknown-setting", "learning_rate", call=RECIPE),
    refused("recipe-near-miss", "weigth_decay", "did you mean", "weight_decay", call=RECIPE),
    refused("recipe-out-of-bounds", "optim.lr", "above 0", "-0.1", call=RECIPE),
    refused("recipe-nan", "optim.lr", call=RECIPE),
    refused("recipe-text-for-number", "optim.lr", "number", "fast", call=RECIPE),
    refused("recipe-part-is-scalar", "optim", call=RECIPE),
    refused("recipe-part-is-list", "optim", call=RECIPE),
    refused("recipe-billion-laughs", "alias", "line 2", call=RECIPE),
    refused("recipe-merge-key", "alias", call=RECIPE),
    refused("recipe-python-object", "yaml|tag", call=RECIPE),
    refused("recipe-custom-tag", "yaml|tag", call=RECIPE),
    refused("recipe-duplicate-keys", "optim|twice|duplicate", call=RECIPE),
    refused("recipe-two-documents", "yaml|document", call=RECIPE),
    refused("recipe-binary", "yaml|text", call=RECIPE),
    refused("recipe-utf-16", "yaml|text|utf", call=RECIPE),
    refused("recipe-deep", "yaml|optim|nest", call=RECIPE),
    refused("recipe-unclosed", "yaml", call=RECIPE),
    refused("recipe-number-keys", "1", call=RECIPE),
    refused("recipe-key-is-a-list", "yaml|part|key", call=RECIPE),
    refused("recipe-date", "seed", call=RECIPE),
    refused("recipe-without-effect", "momentum", "no effect", call=RECIPE),
    refused("recipe-environment", "seed", call=RECIPE),
    refused("recipe-yes-for-number", "train.epochs", call=RECIPE),
    refused("recipe-is-folder", "recipe.yaml", call=RECIPE),
    refused("recipe-too-large", "bytes", call=RECIPE),
    refused("recipe-pipe", "file|recipe", call=RECIPE),
    refused("recipe-absent", "recipe", files="sound", call="train {sound} --target label --recipe {in}/no.yaml --out {out}"),
    refused("recipe-is-a-table", "mapping|yaml|recipe", files="sound", call="train {sound} --target label --recipe {sound} --out {out}"),
]

SETTINGS = [
    setting("lr-zero", "optim.lr=0", "optim.lr", "above 0"),
    setting("lr-negative", "optim.lr=-1", "optim.lr", "above 0"),
    setting("lr-too-large", "optim.lr=101", "optim.lr", "at most 100"),
    setting("lr-nan", "optim.lr=.nan", "optim.lr"),
    setting("lr-infinite", "optim.lr=.inf", "optim.lr"),
    setting("lr-word", "optim.lr=fast", "optim.lr", "number", "fast"),
    setting("lr-list", "optim.lr=[1,2]", "optim.lr"),
    setting("lr-empty", "optim.lr=", "optim.lr"),
    setting("epochs-zero", "train.epochs=0", "train.epochs", "at least 1"),
    setting("epochs-broken", "train.epochs=1.5", "train.epochs", "whole"),
    setting("batch-zero", "train.batch_size=0", "train.batch_size", "at least 1"),
    setting("dropout-one", "model.dropout=1", "model.dropout", "below 1"),
    setting("fraction-one", "data.valid_fraction=1", "data.valid_fraction", "below 0.9"),
    setting("unknown", "optim.sorcery=1", "optim.sorcery"),
    setting("near-miss", "optim.lrr=1", "optim.lrr", "did you mean", "optim.lr"),
    setting("without-part", "lr=1", "lr"),
    setting("without-equals", "optim.lr", "key=value"),
    setting("without-key", "=3", "setting"),
    setting("a-whole-part", "optim=3", "optim"),
    setting("too-deep", "optim.lr.x=3", "optim.lr"),
    setting("without-effect", "optim.beta1=0.8 --set optim.name=sgd", "beta1", "no effect"),
    setting("unknown-network", "model.name=mlpp", "mlpp", "mlp"),
    setting("network-for-pictures", "model.name=cnn", "cnn"),
    setting("network-setting-it-lacks", "model.heads=2", "heads"),
    setting("unknown-optimiser", "optim.name=adamww", "adamw"),
    setting("unknown-kind", "data.kinds.age=sound", "kinds"),
    setting("alias", "optim.lr=*x", "optim.lr|alias"),
    setting("python-object", "optim.lr=!!python/object/apply:os.getcwd", "optim.lr"),
    setting("nested", "optim.lr=" + "[" * 4000, "optim.lr|setting"),
    setting("control-characters", "optim.lr=\x00\x07", "optim.lr"),
    setting("huge-number", "train.epochs=1" + "0" * 300, "train.epochs", "at most"),
    setting("endless-digits", "train.epochs=1" + "0" * 5000, "train.epochs"),
    setting("seed-negative", "seed=-1", "seed", "at least 0"),
    setting("threads-zero", "train.threads=0", "train.threads"),
    setting("two-fractions", "data.valid_fraction=0.6 --set data.test_fraction=0.6", "fraction"),
    setting("split-and-time", "data.split=city --set data.time=age", "split|time|city"),
    setting("vocabulary-without-texts", "data.vocabulary=500", "data.vocabulary has no effect", "text"),
    setting("image-size-without-images", "data.image_size=32", "data.image_size has no effect", "image"),
    setting("bins-of-a-linear-network", "model.bins=8", "bins"),
    used(
        "batch-of-one-with-batch-norm", call=f"{SOUND} --set train.batch_size=1 --set model.name=mlp --set model.norm=batch", files="sound"
    ),
    setting("mixup-negative", "train.mixup=-1", "train.mixup", "at least 0"),
]

CALLS = [
    call("nothing", "", "command|usage|--json"),
    call("unknown-verb", "trian {sound}", "trian"),
    call("unknown-option", f"{SOUND} --tarqet x", "--tarqet"),
    call("train-nothing", "train --target label --out {out}", "data|table|file"),
    call("data-absent", "train {in}/gone.csv --target label --out {out}", "gone.csv"),
    call("data-below-a-file", "train {in}/data.csv/data.csv --target label --out {out}", "data.csv"),
    call("data-name-too-long", "train {in}/" + "a" * 300 + ".csv --target label --out {out}", "aaa"),
    call("data-name-empty", "train '' --target label --out {out}", "data|file|table|folder"),
    call("data-name-not-utf-8", "train {in}/gone\udcff.csv --target label --out {out}", "gone", "exist"),
    call("data-url", "train http://127.0.0.1:9/data.csv --target label --out {out}", "http|exist|no such"),
    call("seed-word", f"{SOUND} --seed seven", "seed"),
    call("seed-negative", f"{SOUND} --seed=-1", "seed", "at least 0"),
    call("device-unknown", f"{SOUND} --device warp", "device"),
    call("device-absent", f"{SOUND} --device cuda:77", "cuda"),
    call("preset-unknown", f"{SOUND} --preset fastest", "fast", "good", "best"),
    call("time-limit-zero", f"{SOUND} --time-limit 0", "time_limit|time-limit"),
    call("time-limit-word", f"{SOUND} --time-limit soon", "time_limit|time-limit", "soon"),
    call("task-unknown", f"{SOUND} --task fortune", "task", "fortune"),
    call("task-of-several", f"{SOUND} --task several", "several|task"),
    call("out-holds-something", "train {sound} --target label --out {in}", "exist|empty|out"),
    call("out-is-a-file", "train {sound} --target label --out {sound}", "file|folder|exist"),
    call("out-below-a-file", "train {sound} --target label --out {sound}/run", "folder|file|director|writ"),
    call("out-not-writable", "train {sound} --target label --out /proc/goodfit-run", "/proc|writ|folder|create"),
    call("out-empty", "train {sound} --target label --out ''", "out"),
    call("out-name-too-long", "train {sound} --target label --out {in}/" + "b" * 300, "long|folder|create|writ"),
    call("test-absent", f"{SOUND} --test {{in}}/gone.csv", "gone.csv"),
    used("call-test-is-the-same-file", "copies of training rows", call=f"{SOUND} --test {{sound}}", files="sound"),
    call("valid-without-the-target", f"{SOUND} --valid {{in}}/../pets.csv", "pets.csv"),
    call("resume-absent", "train --resume --out {in}/no-run", "no-run"),
    call("resume-of-a-folder-that-is-no-run", "train --resume --out {in}", "run|resume|recipe"),
    call("resume-of-a-file", "train --resume --out {sound}", "run|resume|folder"),
    call("predict-on-nothing", "predict {run}", "data"),
    call("predict-data-absent", "predict {run} {in}/gone.csv --out {out}.csv", "gone.csv"),
    call("predict-on-a-folder", "predict {run} {in} --out {out}.csv", "folder|image|file|column"),
    call("predict-out-is-a-folder", "predict {run} {sound} --out {in}", "folder|file|suffix|csv"),
    call("predict-out-below-nothing", "predict {run} {sound} --out {in}/no/such/folder/p.csv", "folder|no such|exist"),
    call("predict-out-suffix-unknown", "predict {run} {sound} --out {out}.docx", "docx|csv"),
    call("predict-out-is-the-input", "predict {run} {sound} --out {sound}", "same|input|overwrit|data.csv"),
    call("predict-out-inside-the-model", "predict {run} {sound} --out {run}/model/bundle.json", "json|csv|suffix"),
    call("predict-run-absent", "predict {in}/gone {sound} --out {out}.csv", "gone"),
    call("describe-absent", "describe {in}/gone", "gone"),
    call("describe-batch-zero", "describe {run} --batch-size 0", "batch"),
    call("describe-batch-negative", "describe {run} --batch-size=-1", "batch"),
    call("describe-batch-huge", "describe {run} --batch-size 99999999999999999999", "batch"),
    call("report-absent", "report {in}/gone", "gone"),
    call("report-of-a-folder-that-is-no-run", "report {in}", "run|missing|data"),
    call("evaluate-run-absent", "evaluate {in}/gone {sound}", "gone"),
    call("runs-of-a-file", "runs {sound}", "folder|data.csv"),
    call("runs-absent", "runs {in}/gone", "gone"),
]

IMAGES = [
    used("images-sound", call=PICTURES),
    refused("images-truncated-png", "broken.png", file="broken.png", call=PICTURES),
    refused("images-truncated-jpeg", "broken.jpg", file="broken.jpg", call=PICTURES),
    refused("images-zero-bytes", "broken.png", "empty|image|picture|decode", file="broken.png", call=PICTURES),
    refused("images-text-named-png", "broken.png", file="broken.png", call=PICTURES),
    refused("images-bad-checksum", "broken.png", file="broken.png", call=PICTURES),
    refused("images-claim-more-than-they-hold", "broken.png", file="broken.png", call=PICTURES),
    refused("images-claim-60000-square", "broken.png", "60000|60,000|pixel", file="broken.png", call=PICTURES),
    refused("images-claim-2-billion-wide", "broken.png", file="broken.png", call=PICTURES),
    refused("images-claim-no-width", "broken.png", file="broken.png", call=PICTURES),
    refused("images-comment-bomb", "broken.png", file="broken.png", call=PICTURES),
    refused("images-one-class", "class|cat", call=PICTURES),
    refused("images-empty-folder", "image|picture|class", call=PICTURES),
    refused("images-empty-classes", "image|picture", call=PICTURES),
    refused("images-two-only", "row|image|picture|class", call=PICTURES),
    refused("images-no-classes", "folder|class", call=PICTURES),
    refused("images-none-but-texts", "image|picture", call=PICTURES),
    refused("images-all-broken", "png", call=PICTURES),
    refused("images-link-leaves-the-folder", "link.png", "folder|leave|outside|link", file="link.png", call=PICTURES),
    refused("images-absent-folder", "pictures", files="sound", call=PICTURES),
    used("images-class-without-pictures", "bird", call=PICTURES),
    used("images-link-circular", call=PICTURES),
    used("images-with-strangers", "notes.txt|drawing.svg|3|other|ignored|skipped", call=PICTURES),
    used("images-jpeg-named-png", call=PICTURES),
    used("images-of-many-sizes", call=PICTURES),
    used("images-of-many-modes", call=PICTURES),
    used("picture-table-sound"),
    refused("picture-table-one-absent", "gone.png", row=6, column="image"),
    refused("picture-table-names-a-folder", "image", row=6, column="image"),
    used("picture-table-absolute"),
    refused(
        "picture-table-leaves-the-folder",
        "leave|inside|outside",
        row=1,
        column="image",
        call="train {in}/in/data.csv --target label --out {out}",
    ),
    refused("image-paths-leave-the-folder", "leave|inside|outside", row=1, column="image", call=f"{TRAIN} --set data.kinds.image=image"),
    refused("image-paths-absolute", "leave|inside|absolute|outside", row=1, column="image", call=f"{TRAIN} --set data.kinds.image=image"),
    refused("image-paths-absent", "pictures/0.png", row=1, column="image", call=f"{TRAIN} --set data.kinds.image=image"),
    refused("image-paths-empty", "image", row=1, column="image", call=f"{TRAIN} --set data.kinds.image=image"),
    refused("image-paths-urls", "image", row=1, column="image", call=f"{TRAIN} --set data.kinds.image=image"),
]

TEXTS = [
    refused("texts-all-empty", "text", "empty|missing|learn|constant|no value", call=f"{TRAIN} --set data.kinds.text=text"),
    refused("texts-only-spaces", "text", "empty|missing|learn|space|word", call=f"{TRAIN} --set data.kinds.text=text"),
    used("texts-only-punctuation", call=f"{TRAIN} --set data.kinds.text=text"),
    used("texts-some-empty", call=f"{TRAIN} --set data.kinds.text=text"),
    used("texts-control-characters", call=f"{TRAIN} --set data.kinds.text=text"),
    used("texts-one-endless-word", call=f"{TRAIN} --set data.kinds.text=text"),
]

PREDICTIONS = [
    refused("predict-column-missing", "city", column="city", call=PREDICT),
    refused("predict-two-columns-missing", "city", call=PREDICT),
    refused("predict-column-renamed", "city", "citty", column="city", call=PREDICT),
    refused("predict-column-retyped", "age", "number", row=1, column="age", call=PREDICT),
    refused("predict-one-cell-retyped", "age", "young", row=5, column="age", call=PREDICT),
    refused("predict-duplicate-header", "age", column="age", call=PREDICT),
    refused("predict-header-only", "no rows|row", call=PREDICT),
    refused("predict-empty", "empty", call=PREDICT),
    used("predict-extra-columns", "colour", "height", call=PREDICT),
    used("predict-shuffled-columns", call=PREDICT),
    used("predict-unseen-category", call=PREDICT),
    used("predict-all-missing", call=PREDICT),
    used("predict-infinite", "pay", "infinit", call=PREDICT),
    used("predict-without-target", call=PREDICT),
    refused("evaluate-without-target", "label", column="label", call=EVALUATE),
    refused("evaluate-unknown-class", "perhaps", row=7, column="label", call=EVALUATE),
    refused("evaluate-target-all-missing", "label", column="label", call=EVALUATE),
    used("evaluate-target-missing-cell", "label|1 row|one row", call=EVALUATE),
    used("evaluate-one-class", call=EVALUATE),
]

RUNS = [
    damaged("run-absent", "run"),
    damaged("run-empty", "run"),
    damaged("run-is-a-file", "folder|run"),
    damaged("run-is-a-pickle", "folder|run"),
    damaged("run-unfinished", "finished|resume|model"),
    damaged("run-recipe-only", "is not a run"),
    damaged("run-pickle-in-place-of-weights", "safetensors"),
    damaged("run-torch-pickle-in-place-of-weights", "safetensors"),
    damaged("run-pickle-in-place-of-encoder", "json"),
    damaged("run-weights-empty", "safetensors"),
    damaged("run-weights-truncated", "safetensors"),
    damaged("run-weights-header-lies", "safetensors"),
    damaged("run-weights-header-nested", "safetensors"),
    damaged("run-weights-of-other-shapes", "model|network|weights"),
    damaged("run-weights-one-missing", "model|network|weights"),
    damaged("run-weights-not-numbers", "finite|nan|weights"),
    damaged("run-weights-linked-from-outside", "leaves|link|inside"),
    damaged("run-encoder-not-json", "json"),
    damaged("run-encoder-other-json", "encoder|model"),
    damaged("run-bundle-truncated", "bundle.json"),
    damaged("run-bundle-empty", "bundle.json"),
    damaged("run-bundle-list", "bundle.json"),
    damaged("run-bundle-null", "bundle.json"),
    damaged("run-bundle-nested", "bundle.json"),
    damaged("run-bundle-not-utf-8", "bundle.json"),
    damaged("run-bundle-is-folder", "bundle.json"),
    damaged("run-bundle-of-the-future", "format 99"),
    damaged("run-bundle-path-leaves", "leaves|inside"),
    damaged("run-bundle-path-absolute", "leaves|inside"),
    damaged("run-bundle-without-members", "model|member|bundle"),
    damaged("run-bundle-without-schema", "schema"),
    damaged("run-bundle-without-checksums", "checksum"),
    damaged("run-bundle-unknown-network", "os.system"),
    damaged("run-bundle-unknown-settings", "sorcery"),
    damaged("run-bundle-network-too-large", "model|network|weights|large|memory"),
    damaged("run-bundle-unknown-task", "fortune|target|model"),
    damaged("run-bundle-other-classes", "model|weights|network"),
    damaged("run-empty-describe", "run", line="describe {run}"),
    damaged("run-empty-evaluate", "run", line="evaluate {run} {sound}"),
    damaged("run-empty-report", "run|missing", line="report {run}"),
    damaged("run-empty-resume", "run|resume|recipe", line="train --resume --out {run}"),
]


CASES = [
    *FILES,
    *LINES_OF_TABLES,
    *HEADERS,
    *TARGETS,
    *FEATURES,
    *ROLES,
    *JSON_LINES,
    *RECIPES,
    *SETTINGS,
    *CALLS,
    *IMAGES,
    *TEXTS,
    *PREDICTIONS,
    *RUNS,
]
