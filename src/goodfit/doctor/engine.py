"""The engine: suspicions from cheap signals, proofs by short copies, the best single repair first, and again until the program does as well as it can be shown to.

1. The program is read as rows (`supervised`), its first copy run as it is, its references fitted.
2. Each fault looks at its signal. Suspicions that a good outcome acquits are dropped where the outcome is good.
3. In the order of their strength they are tried; the proven one with the largest gain is a finding, and its remedy stays for what follows.
4. Where nothing is proven alone, the exact suspicions are tried together, and the strong ones with the rate at its best: two faults may hide each other.
5. That repeats until nothing is proven or the reference is reached, within the time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from goodfit.base.records import Finding
from goodfit.doctor.case import PRACTICE_MARGIN, SEEDS, Case, Proof, Remedy, Suspicion
from goodfit.doctor.examination import Examination, Verdict
from goodfit.doctor.faults.catalogue import FAULTS, UNLEARNABLE
from goodfit.doctor.program import Program
from goodfit.doctor.rates import at_best_rates, margin, remedied
from goodfit.doctor.short import Setup
from goodfit.doctor.supervised import NotSupervised, Supervised, supervised
from goodfit.doctor.turns import examine_turns

SECONDS = 60.0  # of an examination, where none are given
RUN_SHARE = 1 / 15  # of the time for one copy: 4 seconds of a minute, for some twelve copies of which most are shorter
MOST_ROUNDS = 4  # remedies in a row: programs have 2.2 faults on average
POOR = 0.1  # skill that is hardly better than the best constant answer
NEARLY = 0.7  # of the largest gain: among remedies that gain nearly as much, the exact signal and then the stronger one tells the cause
EXACT = 0.05  # the same for an exact signal where another rate or more time gains most: these make up for many a fault, and are found after it too
SMALL = 0.005  # seconds of an update below which a second thread costs more than it gives
STRONG = 0.6  # strength of a signal that few healthy programs show
SETTLED = 0.85  # of what was to be gained
GOOD = 0.02  # of skill below the references at which an outcome is not called bad
OTHERWISE = frozenset({"data.imbalance"})  # gain by other points than those that all else is judged by, and may lose these
TUNING = "optim."  # one of these is named: rate, length, batch and optimiser make up for each other, and a second one only tunes what the first left
RATES = frozenset({"optim.rate-high", "optim.rate-low"})
MENDED = 0.06  # the same once something was repaired: what is left then is often no more than tuning brings to sound programs

Progress = Callable[[str], None]
Editor = Callable[[Suspicion, Proof, Setup], dict[str, Any] | None]


def examine_program(
    program: Program, *, seconds: float | None = None, seed: int = 0, progress: Progress | None = None, editor: Editor | None = None,
    apart: frozenset[str] = frozenset(),
) -> Examination:  # fmt: skip
    """Examines a recorded program. seconds: about what it may take. progress: gets a few words on what is being done.

    editor: makes the edit of a proven remedy, given the setup before it, where a program is written in something other than Python.
    apart: codes that are not asked for, since the program cannot have them.

    Never raises for what a program does: what could not be examined stands in `examined["not_seen"]`.
    """
    begun = time.monotonic()
    limit = SECONDS if seconds is None else max(seconds, 1.0)
    say = progress or (lambda words: None)
    examined: dict[str, Any] = {"looked_at": [], "not_seen": list(program.said), "runs": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a copy of the user's code warns as the user's own run did
        try:
            view = supervised(program, seed=seed)
        except NotSupervised as error:
            examined["not_seen"].append(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            findings, sentences = examine_turns(program, limit)
            examined["not_seen"] += sentences
            return Examination("faulty" if findings else "healthy", tuple(findings), examined, time.monotonic() - begun)
        try:
            case = Case(view, deadline=begun + limit, run_seconds=limit * RUN_SHARE, seed=seed)
            with _threads(1 if case.per_update < SMALL else torch.get_num_threads()):
                findings, verdict = _examine(case, say, editor, apart)
        except Exception as error:  # the user's code, run in ways it was not written for, may raise anything
            examined["not_seen"].append(f"The program's steps cannot be repeated: {error}.")
            return Examination("healthy", (), examined, time.monotonic() - begun)
    examined["looked_at"] = _looked_at(view, case)
    examined["not_seen"] += case.not_seen
    examined["runs"] = case.runs
    examined["reference"] = case.references.skill
    examined["outcome"] = _level(case, case.first)
    examined["repaired"] = _level(case, case.setup) if case.setup is not case.first else None
    return Examination(verdict, tuple(findings), examined, time.monotonic() - begun)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _examine(case: Case, say: Progress, editor: Editor | None, apart: frozenset[str]) -> tuple[list[Finding], Verdict]:
    say("a copy as it is")
    case.outcome()
    findings: list[Finding] = []
    named: set[str] = set()
    for _ in range(MOST_ROUNDS):
        bad = is_bad(case) and not named & OTHERWISE
        proofs: list[tuple[Suspicion, Proof]] = []
        tuned = {one for one in named if one.startswith(TUNING)}
        suspicions = [
            one
            for one in _suspicions(case, say)
            if one.code not in named | apart and (bad or one.certain or one.always) and not (tuned and one.code.startswith(TUNING))
        ]
        strong = [one for one in suspicions if one.certain or one.strength >= STRONG]
        rated = bad and any(one.code in RATES for one in strong)  # then the rate and another fault are tried at once before what is weak
        together = False
        for suspicion in suspicions:
            if case.left <= 0:
                case.not_seen.append("The time was over before every suspicion could be tried.")
                break
            if rated and not together and not proofs and suspicion not in strong:
                together, proofs = True, _together(case, strong, say)
                if proofs:
                    break
            say(suspicion.code)
            proof = case.best(suspicion)
            if proof is not None:
                proofs.append((suspicion, proof))
                if _settles(case, suspicion, proof):
                    break
        if not proofs and bad and (both := _jointly(case, suspicions)):
            findings += [
                finding(suspicion, proof, None if editor is None else editor(suspicion, proof, case.setup)) for suspicion, proof in both
            ]
            named |= {suspicion.code for suspicion, _ in both}
            case.setup = both[-1][1].setup or case.setup
            continue
        if not proofs and bad and not together:
            proofs = _together(case, strong, say)
        if not proofs:
            break
        if named:  # something was repaired, and it helped: there is a signal
            proofs = [pair for pair in proofs if pair[0].code not in UNLEARNABLE]
            if not proofs:
                break
        suspicion, proof = _first(proofs)
        found = finding(suspicion, proof, None if editor is None else editor(suspicion, proof, case.setup))
        findings.append(found)
        named.add(suspicion.code)
        if suspicion.code in UNLEARNABLE:
            return findings, "unlearnable"
        if proof.setup is None or proof.severity == "remark":
            for other, another in proofs:
                if other is not suspicion and another.setup is None:
                    findings.append(finding(other, another))
                    named.add(other.code)
            break
        case.setup = proof.setup
    return findings, "faulty" if any(one.severity != "remark" for one in findings) else "healthy"


def _jointly(case: Case, suspicions: list[Suspicion]) -> list[tuple[Suspicion, Proof]]:
    """Exact signals whose remedies help only together, as where the gradients are thrown away of a loss that is none: each is tried with the others repaired."""
    exact = [one for one in suspicions if one.certain and one.remedies and one.probe is None]
    proofs: list[tuple[Suspicion, Proof]] = []
    for one in exact if len(exact) > 1 else []:
        others = case.setup
        for other in exact:
            if other is not one:
                others = other.remedies[0].change(others)
        try:
            proof = case.duel(one, one.remedies[0], others)
        except Exception as error:  # the user's code, run in ways it was not written for
            case.not_seen.append(f"{one.code}: {error}")
            continue
        if proof is not None:
            proofs.append((one, proof))
    return proofs if len(proofs) > 1 else []


def _settles(case: Case, suspicion: Suspicion, proof: Proof) -> bool:
    """Whether nothing weaker need be tried: a strong signal, and its remedy brings the program to its references, or most of the way to perfection."""
    if proof.gain is None or proof.severity == "remark" or not (suspicion.certain or suspicion.strength >= STRONG):
        return False
    level = case.level(proof.after, suspicion.on)
    return proof.gain.share >= SETTLED or (level is not None and level >= case.references.best > 0 and proof.gain.share >= NEARLY * SETTLED)


def _together(case: Case, suspicions: list[Suspicion], say: Progress) -> list[tuple[Suspicion, Proof]]:
    """The first of these suspicions whose remedy helps once the rate is at its best, and more than that rate alone. None helped alone; the rate is found next."""
    for suspicion in suspicions:
        for remedy in suspicion.remedies:
            say(f"{suspicion.code}, and the rate")
            wanted = replace(suspicion, margin=max(suspicion.margin or 0.0, margin(case)))
            proof = _tried(case, suspicion, lambda remedy=remedy, wanted=wanted: at_best_rates(case, remedy, wanted))  # type: ignore[misc]
            if proof is not None:
                return [_accepted(case, suspicion, remedy, proof, "both with the rate that is best for it")]
    return []


def _accepted(case: Case, suspicion: Suspicion, remedy: Remedy, proof: Proof, how: str) -> tuple[Suspicion, Proof]:
    return suspicion, replace(proof, showed=f"{proof.showed}, {how}", remedy=remedy, setup=remedied(case, remedy, suspicion.code))


def _tried(case: Case, suspicion: Suspicion, probe: Callable[[], Proof | None]) -> Proof | None:
    if case.left <= 0:
        return None
    try:
        return probe()
    except Exception as error:  # a fault in one probe costs that probe only, and is said
        case.not_seen.append(f"{suspicion.code}: {error}")
        return None


def _first(proofs: list[tuple[Suspicion, Proof]]) -> tuple[Suspicion, Proof]:
    """The one to tell first: of the faults that gain nearly as much as the best, the one with the exact signal, then the strongest."""

    def worth(proof: Proof) -> float:
        return proof.gain.value if proof.gain else 1.0

    faults = [pair for pair in proofs if pair[1].severity != "remark"] or proofs
    most = max(worth(proof) for _, proof in faults)
    tuning = max(faults, key=lambda pair: worth(pair[1]))[0].code.startswith(TUNING)
    near = [pair for pair in faults if worth(pair[1]) >= (EXACT if tuning and pair[0].certain else NEARLY) * most]
    return max(near, key=lambda pair: (pair[0].certain, pair[0].strength, worth(pair[1])))


def _suspicions(case: Case, say: Progress) -> list[Suspicion]:
    found = []
    for fault in FAULTS:
        try:
            suspicion = fault(case)
        except Exception as error:  # a fault in one signal, in our code or the user's, costs that signal only, and is said
            case.not_seen.append(f"{fault.__module__.rpartition('.')[2]}: {type(error).__name__}: {error}")
            continue
        if suspicion is not None:
            found.append(suspicion)
    return sorted(found, key=lambda one: -one.strength)


def is_bad(case: Case) -> bool:
    """Whether the outcome is bad against a reference: not finite, hardly better than the best constant answer, below a simple learner, or below the same
    network trained as is good practice. It is that of the program's end, and of the repaired copy once something is repaired."""
    outcome = case.outcome()
    if not outcome.finite:
        return True
    level = case.final if case.setup is case.first else case.level([outcome])
    if level is None:
        if any(loss < 0 for loss in outcome.losses):
            return False  # a loss without a floor, as of a policy's advantage, is no distance from anything: a lower one need not be better
        stands = len(outcome.losses) > 1 and outcome.losses[-1] > 0.9 * outcome.losses[0]
        return stands or (case.setup is case.first and case.practice is not None)
    slack = GOOD
    if case.setup is not case.first:
        slack, begun = MENDED, case.level([case.outcome(case.first)])
        if begun is not None and level - begun >= SETTLED * (1 - begun):
            return False
    if level < POOR or level < case.references.best - max(slack, 2 * case.references.error):
        return True
    return level < 1 - PRACTICE_MARGIN and case.setup is case.first and case.practice is not None


def finding(suspicion: Suspicion, proof: Proof, edit: dict[str, Any] | None = None) -> Finding:
    """What is told. edit: of the remedy; made of the user's source where none is given."""
    edit = edit or _edit(proof)
    curves = {}
    if proof.before and proof.after:
        curves = {"as it is": proof.before[0].curve(), "repaired": proof.after[0].curve()}
    return Finding(
        suspicion.code, proof.severity, suspicion.message or suspicion.code, dict(suspicion.evidence) | dict(proof.facts),
        remedy=proof.remedy.words if proof.remedy else "", confidence=proof.confidence,
        probe={
            "name": "the same copies with and without the remedy" if proof.after else "an experiment of its own",
            "would_have": suspicion.would_have or "no gain beyond chance", "showed": proof.showed,
            "seeds": len(proof.gain.each) if proof.gain else len(SEEDS), "spread": proof.gain.error if proof.gain else None,
            "each": list(proof.gain.each) if proof.gain else [], "curves": curves,
        },
        gain=proof.gain.share if proof.gain else None, edit=edit,
    )  # fmt: skip


def _level(case: Case, setup: Setup) -> float | None:
    return case.level([case.outcome(setup)])


def _edit(proof: Proof) -> dict[str, Any] | None:
    """The remedy as an edit of the user's file, where one can be made."""
    if proof.remedy is None or proof.remedy.source is None:
        return None
    try:
        made = proof.remedy.source()
    except Exception:  # a file may be written in any way: the words of the remedy remain
        return None
    return made if made is None or isinstance(made, dict) else made.to_json()


def _looked_at(view: Supervised, case: Case) -> list[str]:
    rows = f"{len(view.trained)} rows to train on and {len(view.held)} {'taken from them' if view.carved else 'of its own evaluations'} to judge by"
    length = "the whole of it" if case.whole else f"its first {case.updates} of {view.program.updates} updates"
    return [f"{view.kind} answers; {rows}; copies repeat {length}."]
