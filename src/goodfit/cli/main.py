"""The command line: parse, call one function of the API, print.

Nothing heavy is imported before a command runs, so that `--help` answers at once. Exit 0 done, 2 the input or the call is
wrong, 3 a fault is confirmed, 1 our own failure.
"""

from __future__ import annotations

import json
import sys
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import typer

_IMPORTED = time.monotonic()
_begun: ContextVar[float | None] = ContextVar("begun", default=None)  # a time limit counts from the start of the process

# The root of what the parser raises, wherever this version of typer keeps its click.
_CallError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app = typer.Typer(
    name="goodfit",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn data into a neural network that works, and tell why when it does not.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout; words go to stderr.")]
Sets = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as optim.lr=0.001; may be repeated.")]
Network = Annotated[
    str | None,
    typer.Option(metavar="MODULE:FUNCTION", help="Makes the network, where it is one of your own: it is run, so name what you trust."),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from goodfit import __version__

        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Argument(
            help="A table (CSV, TSV, JSON lines, Parquet, Arrow, numpy's .npz, graphs too), a folder with a folder of images per class, running text (.txt), or COCO's annotations of boxes (.json, or a folder with annotations.json)."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column to predict; several separated by commas.")] = None,
    source: Annotated[str | None, typer.Option(help="Column to read where sequences are written, such as a word for its phones.")] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="binary, multiclass, multilabel, regression, tagging, sequence, language, caption, pointing or detection, found when not given; or "
            "forecast, reconstruction, generation."
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A YAML file of settings.")] = None,
    sets: Sets = None,
    preset: Annotated[str | None, typer.Option(help="fast, good (default) or best.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Such as 90s, 10m, 1h.")] = None,
    seed: Annotated[int | None, typer.Option(help="The one seed of all random numbers.")] = None,
    device: Device = None,
    test: Annotated[str | None, typer.Option(help="File with the test rows.")] = None,
    valid: Annotated[str | None, typer.Option(help="File with the validation rows.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder of the run; runs/<name>-<n> when not given.")] = None,
    network: Network = None,
    backbone: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="The same for one that gives features; it gets a head.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run: its folder as DATA or --out, or the latest in runs/.")
    ] = False,
    no_doctor: Annotated[bool, typer.Option("--no-doctor", help="Do not examine a training that shows signs of a fault.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network on DATA and leave a folder that predicts."""
    from goodfit import api
    from goodfit.cli.progress import Bars
    from goodfit.report.terminal import show

    with Bars(quiet=as_json) as bars:
        run = api.train(
            data, target, task=task, recipe=recipe, sets=sets or (), preset=preset, time_limit=time_limit, seed=seed, device=device,
            test=test, valid=valid, out=out, resume=resume, progress=bars, begun=_begun.get(), data__source=source, network=network, backbone=backbone,
            doctor=not no_doctor,
        )  # fmt: skip
    if as_json:
        _print_json(run.to_json())
    else:
        show(run.folder)


@app.command()
def tune(
    data: Annotated[str | None, typer.Argument(help="What goodfit train reads. Not needed with --resume.")] = None,
    target: Annotated[str | None, typer.Option(help="Column to predict; several separated by commas.")] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of the study in all; 64 when not given.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Such as 90s, 10m, 1h, for all of it.")] = None,
    strategy: Annotated[str | None, typer.Option(help="random, grid, coarse-to-fine, tpe (default), gp, halving or hyperband.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="What is searched: space.optim.lr='[1e-5,1e-1]' for a range, space.optim.name='[adamw,sgd]' for values; a setting that all trials "
            "have: optim.clip=1. May be repeated.",
        ),
    ] = None,
    task: Annotated[str | None, typer.Option(help="As in goodfit train.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A YAML file of settings that all trials have.")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, good (default) or best.")] = None,
    seed: Annotated[int | None, typer.Option(help="The one seed of all random numbers.")] = None,
    device: Device = None,
    test: Annotated[str | None, typer.Option(help="File with the test rows.")] = None,
    valid: Annotated[str | None, typer.Option(help="File with the validation rows.")] = None,
    out: Annotated[
        str | None,
        typer.Option(help="Folder of the search; runs/tune-<name>-<n> when not given. One with the same search is gone on with."),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Go on with the search in FOLDER; with more --trials, extend it.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="URL", help="Database of a study that several machines join, such as postgresql://user@host/name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search for good settings on DATA and train the best ones as a run."""
    from goodfit.api.tuning import tune as search
    from goodfit.cli.progress import Bars

    with Bars(quiet=as_json) as bars:
        tuned = search(
            data, target, trials=trials, time_limit=time_limit, strategy=strategy, sets=sets or (), task=task, recipe=recipe, preset=preset, seed=seed,
            device=device, test=test, valid=valid, out=out, resume=resume, study=study, progress=bars, begun=_begun.get(),
        )  # fmt: skip
    if as_json:
        _print_json(tuned.to_json())
    else:
        from goodfit.report.tune_terminal import show

        show(tuned.record, str(tuned.folder / "report.html"))


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="Folder of a run, or its model folder.")],
    data: Annotated[
        str | None,
        typer.Argument(help="New rows with the columns of the training data; a forecast goes on from the training file without."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="File to write: .csv, .parquet or .jsonl, of boxes .json (COCO's results); DATA's name with .predictions.csv (.json) when not given."
        ),
    ] = None,
    network: Network = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Predict every row of DATA, or what comes after its end where a series was learned to be forecast."""
    from goodfit import api
    from goodfit.cli.progress import Bars

    with Bars(quiet=as_json) as bars:
        path, rows = api.predict_file(run, data, out, device=device, progress=bars, network=network)
    if as_json:
        _print_json({"output": str(path), "rows": rows})
    else:
        typer.echo(f"{rows} predictions in {path}")


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help="Folder of a run.")],
    data: Annotated[str | None, typer.Argument(help="Labelled rows; the run's sealed test set when not given, which is recorded.")] = None,
    network: Network = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Score a run on labelled rows, each metric with a 95 % bootstrap interval."""
    from goodfit import api
    from goodfit.cli.progress import Bars

    with Bars(quiet=as_json) as bars:
        result = api.evaluate(run, data, device=device, progress=bars, network=network)
    if as_json:
        _print_json(result)
        return
    from goodfit.cli.tables import score_table

    _show(score_table(result["metrics"], result["rows"]))


@app.command()
def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Folders of runs; those of the same settings with other seeds are one side.", metavar="RUN...")
    ],
    data: Annotated[
        str | None, typer.Option(help="Labelled rows that no run learned from; the sealed test rows when not given, which is recorded.")
    ] = None,
    on: Annotated[
        str, typer.Option(help="test, or valid: the validation rows, as networks saw them that did not learn from them.")
    ] = "test",
    network: Network = None,
    device: Device = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    as_json: Json = False,
) -> None:
    """Tell whether runs differ by more than chance: paired tests over rows, folds and seeds."""
    from goodfit import api
    from goodfit.cli.progress import Bars

    with Bars(quiet=as_json) as bars:
        result = api.compare(*runs, source=data, on=on, device=device, progress=bars, network=network, seed=seed)
    if as_json:
        _print_json(result)
        return
    from goodfit.cli.tables import comparison_page

    _show(comparison_page(result))


@app.command()
def combine(
    runs: Annotated[list[str], typer.Argument(help="Folders of runs of the same data, seed and split.", metavar="RUN...")],
    out: Annotated[str | None, typer.Option(help="Folder of the new run; runs/combined-<n> when not given.")] = None,
    network: Network = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Make one run of several: those that help, averaged with weights found on their validation rows."""
    from goodfit import api
    from goodfit.cli.progress import Bars

    with Bars(quiet=as_json) as bars:
        run = api.combine(*runs, out=out, device=device, progress=bars, network=network)
    if as_json:
        _print_json(run.to_json() | {"combined": run.about["combined"]})
        return
    from goodfit.cli.tables import combined_table, score_table

    _show(combined_table(run.about))
    _show(score_table(run.metrics, run.analysis["targets"][0]["scores"]["rows"]))
    typer.echo(f"the run is in {run.folder}")


@app.command(context_settings={"allow_interspersed_args": False})
def doctor(
    target: Annotated[
        str, typer.Argument(help="A script that trains with PyTorch, which is run, unchanged; or the folder of a run of goodfit train.")
    ],
    arguments: Annotated[list[str] | None, typer.Argument(help="The script's own arguments, as they would stand behind its name.")] = None,
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Write the edited script as NAME.fixed.py beside the original, run it too, and show both results; of a run, recipe.fixed.yaml.",
        ),
    ] = False,
    time_limit: Annotated[
        str | None,
        typer.Option(
            help="Such as 90s, 10m, 1h, for all of it; without, the script takes what it takes and the examination about a minute."
        ),
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder of the results; runs/doctor-<name>-<n> when not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the short runs; the script's own random numbers are its own.")] = 0,
    as_json: Json = False,
) -> None:
    """Tell why a PyTorch script, or a run of goodfit train, does not train, with proof. Exit 3 where a fault is confirmed."""
    from goodfit.cli.doctor import CONFIRMED, Options, examine, sorted_out

    options, rest = sorted_out(target, arguments or (), Options(as_json, time_limit, out, fix, seed))
    document = examine(target, rest, options)
    if options.as_json:
        _print_json(document)
    else:
        from goodfit.report.doctor_terminal import show

        show(document, document["report"])
    if document["verdict"] == "faulty":
        raise typer.Exit(CONFIRMED)


@app.command()
def generate(
    run: Annotated[str, typer.Argument(help="Folder of a run of a language model, or of the task generation.")],
    prompt: Annotated[str | None, typer.Option(help="Text: what to go on with.")] = None,
    length: Annotated[int | None, typer.Option(help="Text: characters to write, 400 when not given.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Text: 0 takes the likeliest character, 1 draws from what was learned.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Text: draw from so many likeliest characters.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Text: draw from the fewest whose probabilities sum to this.")] = None,
    number: Annotated[int | None, typer.Option(help="Pictures to make, 64 when not given.")] = None,
    out: Annotated[str | None, typer.Option(help="Pictures: new folder for the PNG files and grid.png; pictures when not given.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same.")] = 0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Write on from a prompt with a language model, or make new pictures with a generator."""
    from goodfit import api
    from goodfit.base.errors import InputError

    of_text: dict[str, Any] = {"prompt": prompt, "length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p}
    of_pictures: dict[str, Any] = {"number": number, "out": out, "device": device}
    opened = api.load(run)
    kind = opened.bundle.target.kind
    if kind not in ("language", "generation"):
        raise InputError(
            f"a language model writes and a run of the task generation makes pictures; {run} learned {kind}: predict with it", file=run
        )
    draws = kind == "generation"
    idle = next((name for name, value in (of_text if draws else of_pictures).items() if value is not None), None)
    if idle:
        raise InputError(f"--{idle.replace('_', '-')} has no effect on {'pictures' if draws else 'text'}, which {run} makes; leave it out")
    if draws:
        made = api.generate_pictures(opened, seed=seed, **{name: value for name, value in of_pictures.items() if value is not None})
        if as_json:
            _print_json(made)
        else:
            typer.echo(f"{made['number']} pictures and grid.png in {made['output']}")
        return
    signs = api.generate(opened, seed=seed, **{name: value for name, value in of_text.items() if value is not None})
    if as_json:
        _print_json({"prompt": prompt or "", "text": "".join(signs)})
        return
    typer.echo(_safe(prompt or ""), nl=False)
    for sign in signs:
        typer.echo(_safe(sign), nl=False)
        sys.stdout.flush()
    typer.echo()


@app.command()
def describe(
    run: Annotated[str, typer.Argument(help="Folder of a run.")],
    batch_size: Annotated[int | None, typer.Option(help="Rows of a batch; that of the training when not given.")] = None,
    network: Network = None,
    as_json: Json = False,
) -> None:
    """Show the network layer by layer: shapes, parameters, multiply-adds, memory."""
    from goodfit import api

    account = api.describe(run, batch_size=batch_size, network=network)
    if as_json:
        _print_json(account)
        return
    from goodfit.cli.tables import layer_table

    _show(layer_table(account))


@app.command()
def models(as_json: Json = False) -> None:
    """List the networks: what each is for, what it reads, where it comes from."""
    from goodfit import api

    entries = api.models()
    if as_json:
        _print_json(entries)
        return
    from goodfit.cli.tables import model_table

    _show(model_table(entries))


@app.command()
def settings(as_json: Json = False) -> None:
    """List every setting of `--set` and of recipe files, with its bounds."""
    from goodfit.base.recipe import bound
    from goodfit.base.recipe import settings as every_setting

    rows = [{"name": name, "what": what, "bound": _bound_text(bound(name))} for name, what in every_setting().items()]
    if as_json:
        _print_json(rows)
        return
    from goodfit.cli.tables import setting_table

    _show(setting_table(rows))


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="Folder of a run.")],
    as_json: Json = False,
) -> None:
    """Write RUN/report.html anew from the run's records."""
    from goodfit import api

    path = api.report(run)
    if as_json:
        _print_json({"report": str(path)})
    else:
        typer.echo(str(path))


@app.command()
def runs(
    folder: Annotated[str, typer.Argument(help="Folder of runs.")] = "runs",
    as_json: Json = False,
) -> None:
    """List the runs in a folder."""
    from goodfit import api

    entries = api.runs(folder)
    if as_json:
        _print_json(entries)
        return
    from goodfit.cli.tables import run_table

    _show(run_table(entries))


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code; as a console script, exit with it."""
    arguments = sys.argv[1:] if argv is None else argv
    _begun.set(_IMPORTED if argv is None else None)
    try:
        code = app(args=arguments, standalone_mode=False, prog_name="goodfit")
        result = code if isinstance(code, int) else 0
    except typer.Exit as stop:
        result = stop.exit_code
    except _CallError as error:
        result = _fail({"kind": "call", "message": _call_sentence(error)}, "--json" in arguments, 2)
    except (KeyboardInterrupt, typer.Abort):
        begun = {"doctor": "", "tune": "; go on with --resume and the folder of the search"}
        going_on = begun.get(arguments[0] if arguments else "", "; go on with the same command and --resume")
        typer.echo(f"interrupted{going_on}", err=True)
        result = 130
    except BrokenPipeError:
        result = 0
    except Exception as error:  # the one place where errors become exit codes; what is not ours is re-raised below
        from goodfit.base.errors import GoodfitError

        if not isinstance(error, GoodfitError):
            raise
        result = _fail(error.to_json(), "--json" in arguments, error.exit_code)
    if argv is None:
        sys.exit(result)
    return result


def _call_sentence(error: Any) -> str:
    sentence = error.format_message().strip().rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "goodfit"
    return f"{sentence[:1].lower()}{sentence[1:]}; see `{path} --help`"


def _fail(error: dict[str, Any], as_json: bool, code: int) -> int:
    from goodfit.base.errors import printable

    if as_json:
        _print_json({"error": error})
    place = ", ".join(f"{name} {error[name]}" for name in ("row", "column") if name in error and str(error[name]) not in error["message"])
    file = error.get("file")
    where = f"{file}: " if file and file not in error["message"] and Path(file).name not in error["message"] else ""
    typer.echo(printable(f"goodfit: {where}{error['message']}" + (f" ({place})" if place else "")), err=True)
    return code


def _bound_text(limits: Any) -> str:
    if limits is None:
        return ""
    low = "" if limits.low is None else f"{'>' if limits.low_open else '>='} {limits.low:g}"
    high = "" if limits.high is None else f"{'<' if limits.high_open else '<='} {limits.high:g}"
    return ", ".join(part for part in (low, high) if part)


def _safe(text: str) -> str:
    """A text of several lines without what a terminal would obey."""
    from goodfit.base.errors import printable

    return "".join(sign if sign in "\n\t" else printable(sign) for sign in text)


def _print_json(document: Any) -> None:
    from goodfit.base.files import plain

    text = json.dumps(plain(document), ensure_ascii=False, indent=1, allow_nan=False)
    # What json.dumps leaves of what a terminal would obey, as JSON's own escapes.
    typer.echo("".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text))


def _show(renderable: Any) -> None:
    from rich.console import Console

    Console().print(renderable)


if __name__ == "__main__":
    main()
