"""The engine: suspicions from cheap signals, proofs by short copies, the best single repair first, and again until the program does as well as it can be shown to.

1. The program is read as rows (`supervised`), its first copy run as it is, its references fitted.
2. Each fault looks at its signal. Suspicions that a good outcome acquits are dropped where the outcome is good.
3. In the order of their strength they are tried; the proven one with the largest gain is a finding, and its remedy stays for what follows.
4. That repeats until nothing is proven or the reference is reached, within the time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from goodfit.base.records import Finding
from goodfit.doctor.case import PRACTICE_MARGIN, SEEDS, Case, Proof, Suspicion
from goodfit.doctor.examination import Examination, Verdict
from goodfit.doctor.faults.catalogue import FAULTS, UNLEARNABLE
from goodfit.doctor.program import Program
from goodfit.doctor.short import Setup
from goodfit.doctor.supervised import NotSupervised, Supervised, supervised
from goodfit.doctor.turns import examine_turns

SECONDS = 60.0  # of an examination, where none are given
RUN_SHARE = 1 / 15  # of the time for one copy: 4 seconds of a minute, for some twelve copies of which most are shorter
MOST_ROUNDS = 4  # remedies in a row: programs have 2.2 faults on average
POOR = 0.1  # skill that is hardly better than the best constant answer
NEARLY = 0.7  # of the largest gain: among remedies that gain nearly as much, the exact signal and then the stronger one tells the cause
SMALL = 0.005  # seconds of an update below which a second thread costs more than it gives
STRONG = 0.6  # strength of a signal that few healthy programs show
SETTLED = 0.85  # of what was to be gained
GOOD = 0.02  # of skill below the references at which an outcome is not called bad

Progress = Callable[[str], None]


def examine_program(program: Program, *, seconds: float | None = None, seed: int = 0, progress: Progress | None = None) -> Examination:
    """Examines a recorded program. seconds: about what it may take. progress: gets a few words on what is being done.

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
                findings, verdict = _examine(case, say)
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


def _examine(case: Case, say: Progress) -> tuple[list[Finding], Verdict]:
    say("a copy as it is")
    case.outcome()
    findings: list[Finding] = []
    named: set[str] = set()
    for _ in range(MOST_ROUNDS):
        bad = is_bad(case)
        proofs: list[tuple[Suspicion, Proof]] = []
        for suspicion in _suspicions(case, say):
            if suspicion.code in named or (not bad and not (suspicion.certain or suspicion.always)):
                continue
            if case.left <= 0:
                case.not_seen.append("The time was over before every suspicion could be tried.")
                break
            say(suspicion.code)
            proof = case.best(suspicion)
            if proof is not None:
                proofs.append((suspicion, proof))
                if _settles(case, suspicion, proof):
                    break
        if not proofs:
            break
        if named:  # something was repaired, and it helped: there is a signal
            proofs = [pair for pair in proofs if pair[0].code not in UNLEARNABLE]
            if not proofs:
                break
        suspicion, proof = _first(proofs)
        found = finding(suspicion, proof)
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


def _settles(case: Case, suspicion: Suspicion, proof: Proof) -> bool:
    """Whether nothing weaker need be tried: a strong signal, and its remedy brings the program to its references, or most of the way to perfection."""
    if proof.gain is None or proof.severity == "remark" or not (suspicion.certain or suspicion.strength >= STRONG):
        return False
    level = case.level(proof.after, suspicion.on)
    return proof.gain.share >= SETTLED or (level is not None and level >= case.references.best > 0 and proof.gain.share >= NEARLY * SETTLED)


def _first(proofs: list[tuple[Suspicion, Proof]]) -> tuple[Suspicion, Proof]:
    """The one to tell first: of the faults that gain nearly as much as the best, the one with the exact signal, then the strongest."""

    def worth(proof: Proof) -> float:
        return proof.gain.value if proof.gain else 1.0

    faults = [pair for pair in proofs if pair[1].severity != "remark"] or proofs
    most = max(worth(proof) for _, proof in faults)
    near = [pair for pair in faults if worth(pair[1]) >= NEARLY * most]
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
        stands = len(outcome.losses) > 1 and outcome.losses[-1] > 0.9 * outcome.losses[0]
        return stands or (case.setup is case.first and case.practice is not None)
    if level < POOR or level < case.references.best - max(GOOD, 2 * case.references.error):
        return True
    return level < 1 - PRACTICE_MARGIN and case.setup is case.first and case.practice is not None


def finding(suspicion: Suspicion, proof: Proof) -> Finding:
    """What is told."""
    edit = _edit(proof)
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
