"""A run that generates pictures: the size that suits the networks, a judge, the game, the bundle, the scores.

What a killed run needs to go on is on the disk: the recipe, the judge as soon as it is trained, the checkpoints of the game.
n pictures, C channels, H and W pixels, Z numbers of noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from goodfit import __version__
from goodfit.api.fitting import clear_cache
from goodfit.api.folder import RunFolder
from goodfit.api.judge import Judge, load_judge, spent, train_judge
from goodfit.api.members import FINISH, FINISH_LEAST
from goodfit.api.pictures import drawn
from goodfit.api.plan import HABITS, NEVER, TIME_LIMIT, average_decay, network_name
from goodfit.api.scoring import network_account
from goodfit.base.files import plain
from goodfit.base.machine import free_memory
from goodfit.base.protocols import Progress
from goodfit.base.recipe import Recipe
from goodfit.base.streams import derive, numpy_stream
from goodfit.bundle.bundle import Bundle, Member
from goodfit.data.augment import Augment
from goodfit.data.batches import Batches
from goodfit.data.dataset import Dataset
from goodfit.data.encoded import Encoded
from goodfit.data.encoder import Encoder
from goodfit.data.splits import Split
from goodfit.data.target import TargetSpec
from goodfit.evaluation.analysis import data_section
from goodfit.evaluation.generated import analyse_generated, generated_values
from goodfit.evaluation.ledger import open_test, openings
from goodfit.models import catalogue
from goodfit.models.entries.unlabelled import discriminator
from goodfit.models.gan import fitting_side
from goodfit.models.memory import refuse_too_large
from goodfit.optim.average import Average
from goodfit.optim.build import build as build_optimizer
from goodfit.tasks.generation import DEFAULT, GAMES
from goodfit.training.adversarial import Contest, ContestRecord, Course, play, round_of
from goodfit.training.checkpoint import Checkpoints
from goodfit.training.state import State, Stopper
from goodfit.training.step import reseed

EVALUATE_EVERY = 400  # rounds: of 64 pictures, as many as a small data set holds some times over; an evaluation then costs a tenth
LOOKED_AT = (256, 2_000)  # generated pictures of an evaluation, at least and at most; as many as there are real ones between
PATIENCE = 30  # evaluations without gain: the distance of a thousand pictures moves by chance
# Pictures are changed for the discriminator where data.augment=true says so. Without, mnist_5k has a validation distance of 17 for 35 after 85 seconds, and what
# is made looks like what was given; it helps where the discriminator knows a few hundred pictures by heart (Zhao et al. 2020).
MOVED, CUT = 8, 4  # a picture is moved by up to an eighth of its side, as in the paper; a quarter of the side is cut out, the paper's half
TRIED = (3, 8)  # rounds of each precision before the clock starts, and while it runs
COPIES = 5  # of a generator's size beside an update of it: the discriminator with what its update needs, and the best weights


@dataclass(frozen=True)
class _Cast:
    """What all stages of a run share."""

    run: RunFolder
    recipe: Recipe
    encoder: Encoder
    judge: Judge
    device: torch.device
    progress: Progress

    def pixels(self, data: Dataset, rows: np.ndarray) -> np.ndarray:
        """uint8 [n, C, H, W] of these rows."""
        return np.asarray(self.encoder.encode(data, rows, with_target=False).inputs["image"])


def train_generator(
    run: RunFolder, request: Recipe, data: Dataset, target: TargetSpec, parts: Split, begun: float, device: torch.device, progress: Progress
) -> None:
    """Everything between the check of the data and the report; a resumed run repeats what is a function of data and recipe."""
    begun -= 0.0 if (run.path / "checkpoints").exists() else spent(run)
    recipe = run.recipe
    progress.stage("encoding")
    encoder = _encoder(data, target, parts.train, recipe or request)
    encoded = encoder.encode(data, folder=run.path / "cache")  # every picture is read before anything is left behind
    if recipe is None:
        recipe = _resolved(request, network_name(request, data.schema, len(parts.train), target), encoder, len(parts.train))
        _refuse_without_room(recipe, encoder, device)
        run.write_recipe(recipe)
    cast = _Cast(run, recipe, encoder, train_judge(run, recipe, data, parts, device, progress), device, progress)
    if cast.judge.classes:
        encoded.target = torch.from_numpy(cast.judge.codes(data))
    if "auto" in (recipe.train.precision, recipe.train.channels_last):
        cast = replace(cast, recipe=_measured(cast, encoded, parts))
        run.write_recipe(cast.recipe)
    member, state = _played(cast, data, encoded, parts, begun)
    bundle = Bundle(
        target, data.schema, [member], [1.0], about={"goodfit": __version__, "seed": recipe.seed, "fingerprint": data.fingerprint}
    )
    bundle.save(run.path / "model")
    _review(cast, bundle, data, parts, state)
    clear_cache(run)


def evaluate_generator(folder: RunFolder, bundle: Bundle, data: Dataset, rows: np.ndarray, device: str) -> dict[str, Any]:
    """The scores of a run's pictures beside these rows of real ones, as `api.scoring.evaluate` gives them."""
    from goodfit.evaluation.generated import generated_scores

    judge = load_judge(folder.path, torch.device(device))
    real = np.asarray(bundle.members[0].encoder.encode(data, rows, with_target=False).inputs["image"])
    made = drawn(bundle.members[0], _count(len(real)), 0, device)
    return {"metrics": generated_scores(judge.look(made), judge.look(real)[0], seed=0), "rows": len(real)}


def _encoder(data: Dataset, target: TargetSpec, rows: np.ndarray, recipe: Recipe) -> Encoder:
    """The encoder of pictures of a side that the networks can halve: the next one where none is given."""
    encoder = Encoder.fit(data, data.schema, target, rows, recipe.data, recipe.seed)
    side = encoder.inputs["image"]["height"]
    if recipe.data.image_size is not None or fitting_side(side) == side:
        return encoder
    settings = recipe.data.model_copy(update={"image_size": fitting_side(side)})
    return Encoder.fit(data, data.schema, target, rows, settings, recipe.seed)


def _resolved(request: Recipe, name: str, encoder: Encoder, rows: int) -> Recipe:
    """The recipe with every None decided that has an effect here."""
    train, optim, habit, image = request.train, request.optim, HABITS[name], encoder.inputs["image"]
    limit = train.time_limit
    if limit is None and train.epochs is None:
        limit = TIME_LIMIT[request.preset]
    given = {key: getattr(request.model, key) for key in request.model.model_fields_set if key != "name"}
    own = catalogue.entry(name).defaults | ({"width": 32} if image["height"] < 64 else {})  # half of the paper's at less than its 64 pixels
    settings = own | catalogue.checked(name, {key: value for key, value in given.items() if value is not None})
    game = train.gan_loss or DEFAULT
    batch = min(train.batch_size or habit.batch or 64, rows)
    epochs = train.epochs or habit.epochs
    changes: dict[str, Any] = {f"model__{key}": value for key, value in settings.items()} | {
        "model__name": name,
        "data__image_size": image["height"],
        "data__augment": request.given("data.augment") and request.data.augment,
        "optim__name": optim.name or habit.optim,
        "optim__lr": optim.lr or GAMES[game].lr,
        "optim__schedule": habit.schedule,
        "optim__weight_decay": habit.weight_decay if optim.weight_decay is None else optim.weight_decay,
        "train__gan_loss": game,
        "train__epochs": epochs,
        "train__patience": train.patience or (PATIENCE if train.epochs is None else min(epochs * max(rows // batch, 1) + 1, NEVER)),
        "train__batch_size": batch,
        "train__time_limit": limit,
        "train__threads": train.threads or torch.get_num_threads(),
    }
    if changes["optim__name"] in ("adam", "adamw"):
        changes["optim__beta1"] = GAMES[game].beta1 if optim.beta1 is None else optim.beta1
        changes["optim__beta2"] = GAMES[game].beta2 if optim.beta2 is None else optim.beta2
    if habit.ema is not None and not request.given("optim.ema"):
        updates = None if train.epochs is None else epochs * max(rows // batch, 1) // GAMES[game].critic_steps
        changes["optim__ema"] = average_decay(habit.ema, max(rows, 3_000), updates)
    return request.with_(**{key: value for key, value in changes.items() if value is not None})


def _inputs(recipe: Recipe, encoder: Encoder, shares: list[float] | None = None) -> dict[str, Any]:
    """What the generator reads, as the catalogue wants it. shares: of the classes that it is told, which are numbers behind the noise."""
    image = encoder.inputs["image"]
    size = (recipe.model.latent_dim or 0) + len(shares or ())
    return {"noise": {"size": size, "shares": shares} | {key: image[key] for key in ("channels", "height", "width")}}


def _refuse_without_room(recipe: Recipe, encoder: Encoder, device: torch.device) -> None:
    settings = catalogue.taken(recipe.model)
    batch, optimiser = recipe.train.batch_size or 64, recipe.optim.name or "adam"
    inputs = _inputs(recipe, encoder)
    refuse_too_large(
        recipe.model.name or "", inputs, 0, settings, batch_size=batch, optimiser=optimiser, copies=COPIES, free=free_memory(device)
    )


def _measured(cast: _Cast, encoded: Encoded, parts: Split) -> Recipe:
    """The recipe with precision and memory layout decided: bfloat16 with channels last where rounds of that are faster. A gradient penalty is of
    gradients, which bfloat16 is too coarse for."""
    train = cast.recipe.train
    low = [False, True] if train.precision == "auto" and not GAMES[train.gan_loss or DEFAULT].penalty else [train.precision == "bfloat16"]
    took: dict[bool, float] = {}
    for bfloat16 in low if len(low) > 1 else ():
        _, contest = _contest(cast, parts, encoded, bfloat16=bfloat16, channels_last=bfloat16)
        batches = _batches(cast, encoded, parts)
        for number in range(sum(TRIED)):
            if number == TRIED[0]:
                begun = time.monotonic()
            round_of(contest, batches.batch(0, number % len(batches)), GAMES[train.gan_loss or DEFAULT], 0.0)
        took[bfloat16] = time.monotonic() - begun
    chosen = min(took, key=lambda mode: took[mode]) if took else low[0]
    layout = {"auto": chosen, "yes": True, "no": False}[train.channels_last]
    return cast.recipe.with_(train__precision="bfloat16" if chosen else "float32", train__channels_last="yes" if layout else "no")


def _batches(cast: _Cast, encoded: Encoded, parts: Split) -> Batches:
    return Batches(
        encoded, parts.train, batch_size=cast.recipe.train.batch_size or 64, seed=cast.recipe.seed, shuffle=True, device=cast.device,
        drop_last=True, inputs=cast.encoder.inputs,
    )  # fmt: skip


def _contest(cast: _Cast, parts: Split, encoded: Encoded, *, bfloat16: bool, channels_last: bool) -> tuple[Member, Contest]:
    """Both players with fresh weights."""
    recipe, device = cast.recipe, cast.device
    game, lr, size = GAMES[recipe.train.gan_loss or DEFAULT], recipe.optim.lr, recipe.model.latent_dim
    assert lr is not None
    assert size is not None
    shares: list[float] | None = None
    if encoded.target is not None and cast.judge.classes:
        counts = torch.bincount(encoded.target[torch.from_numpy(parts.train)], minlength=len(cast.judge.classes))
        shares = (counts / counts.sum()).tolist()
    inputs, settings = _inputs(recipe, cast.encoder, shares), catalogue.taken(recipe.model)
    reseed(torch.device("cpu"), derive(recipe.seed, "init"))
    member = Member.build(cast.encoder, {"name": recipe.model.name, "settings": settings, "inputs": inputs}, 0)
    rival = discriminator(inputs, settings, norm=game.norm).to(device)
    network = member.network.to(device)
    if channels_last:
        for player in (network, rival):
            player.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = None if recipe.optim.ema is None else Average(network, recipe.optim.ema)
    optimizers = [build_optimizer(player, recipe.optim, lr=lr) for player in (network, rival)]
    state = State(network, optimizers[0], Stopper(False, recipe.train.patience), average, seed=recipe.seed)
    side = cast.encoder.inputs["image"]["height"]
    return member, Contest(
        state, State(rival, optimizers[1], Stopper(False, None), seed=recipe.seed), size,
        shares=None if shares is None else torch.tensor(shares),
        augment=Augment(shift=max(1, side // MOVED), cutout=side // CUT) if recipe.data.augment else None,
        clip=recipe.optim.clip, bfloat16=bfloat16, channels_last=channels_last,
    )  # fmt: skip


def _played(cast: _Cast, data: Dataset, encoded: Encoded, parts: Split, begun: float) -> tuple[Member, State]:
    """The trained generator with its best weights, and the state that it ended in."""
    recipe, run, progress = cast.recipe, cast.run, cast.progress
    low, layout = recipe.train.precision == "bfloat16", recipe.train.channels_last == "yes"
    member, contest = _contest(cast, parts, encoded, bfloat16=low, channels_last=layout)
    state, network, batches = contest.generator, member.network, _batches(cast, encoded, parts)
    game, lr = GAMES[recipe.train.gan_loss or DEFAULT], recipe.optim.lr
    assert lr is not None
    checkpoints = Checkpoints(run.path / "checkpoints", every=recipe.train.checkpoint_every)
    saved = checkpoints.load(contest, progress.say)
    history = int(saved["history"]) if saved else 0
    checkpoints.folder.mkdir(parents=True, exist_ok=True)
    run.keep_lines("history.jsonl", history)
    limit = recipe.train.time_limit
    course = Course(
        epochs=recipe.train.epochs or 1,
        lr=lr,
        score="frechet_distance",
        evaluate_every=EVALUATE_EVERY,
        deadline=None if limit is None else begun + limit - max(FINISH * limit, FINISH_LEAST),
    )
    progress.stage(f"training {recipe.model.name}", course.epochs * len(batches))
    progress.advance(contest.step)
    extra: dict[str, Any] = {"history": history, "finished": False, "spent": 0.0}
    if not (saved and saved["finished"]):
        for record in play(contest, batches, game, course, _evaluation(cast, data, parts.valid, member)):
            if isinstance(record, ContestRecord):
                run.append("history.jsonl", record.to_json() | {"member": 0})
                extra["history"] += 1
                progress.advance(0, epoch=record.epoch, loss=record.generator_loss, frechet_distance=record.score)
            else:
                progress.advance()
            if checkpoints.due():
                checkpoints.save(contest, extra | {"spent": time.monotonic() - begun})
        checkpoints.save(contest, extra | {"spent": time.monotonic() - begun, "finished": True})
    assert state.best is not None
    network.load_state_dict(state.best)
    network.eval()
    return member, state


def _evaluation(cast: _Cast, data: Dataset, rows: np.ndarray, member: Member) -> Callable[[nn.Module], dict[str, float]]:
    """A function from the generator to its metrics beside (at most LOOKED_AT of) the validation rows; the same noise every time."""
    real, _ = cast.judge.look(cast.pixels(data, _some(rows, LOOKED_AT[1], cast.recipe.seed)))

    def evaluate(network: nn.Module) -> dict[str, float]:
        return generated_values(cast.judge.look(drawn(member, _count(len(real)), cast.recipe.seed, cast.device)), real)

    return evaluate


def _count(real: int) -> int:
    """Generated pictures to compare with so many real ones."""
    return int(np.clip(real, *LOOKED_AT))


def _some(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    return rows if rows.size <= most else np.sort(numpy_stream(seed, "split", "evaluation").choice(rows, most, replace=False))


def _review(cast: _Cast, bundle: Bundle, data: Dataset, parts: Split, state: State) -> None:
    """Score beside the sealed test rows (the validation rows where there are none), and write the records."""
    run, recipe = cast.run, cast.recipe
    cast.progress.stage("scoring")
    part, rows = ("test", parts.test) if len(parts.test) else ("valid", parts.valid)
    if part == "test" and not openings(run.path):  # a run killed in this stage opens it once all the same
        open_test(run.path, "goodfit train", len(rows), data.fingerprint)
    real = cast.pixels(data, _some(rows, LOOKED_AT[1], recipe.seed))
    learned = cast.pixels(data, _some(parts.train, 2 * LOOKED_AT[1], recipe.seed))
    learned = learned[numpy_stream(recipe.seed, "bootstrap", "learned").permutation(len(learned))]
    made = drawn(bundle.members[0], _count(len(real)), derive(recipe.seed, "test") % 2**53, cast.device)
    entry = analyse_generated(
        made, real, learned, cast.judge.look, cast.judge.classes, name=", ".join(bundle.target.names), part=part,
        judge=_who(cast.judge, data, rows), seed=recipe.seed,
    )  # fmt: skip
    run.write("analysis.json", plain({"targets": [entry], "data": data_section(data, parts)}))
    run.write("network.json", network_account(bundle, recipe))
    run.update(
        model=recipe.model.name, metric="frechet_distance", maximise=False, score=state.stopper.best, best_epoch=state.stopper.best_epoch + 1,
        epochs=state.epoch, members=1,
    )  # fmt: skip


def _who(judge: Judge, data: Dataset, rows: np.ndarray) -> str:
    """One sentence on who judges, and how well."""
    if not judge.classes:
        return "The judge is an autoencoder of the real training pictures, since they have no labels to learn: distances are those of its codes."
    encoder = judge.bundle.members[0].encoder
    _, probability = judge.look(np.asarray(encoder.encode(data, rows, with_target=False).inputs["image"]))
    assert probability is not None
    right = float((probability.argmax(1) == judge.bundle.target.encode(data.take(rows, judge.bundle.target.names))).mean())
    return (
        f"The judge is a {judge.bundle.members[0].model['name']} that learned {judge.bundle.target.names[0]} from the real training pictures "
        f"and is right on {right:.1%} of the held-out ones; distances are those of its features."
    )
