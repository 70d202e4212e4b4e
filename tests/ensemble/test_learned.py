"""Bags, boosting, stacking and distillation: against scikit-learn where the base learner can be the same, else on real sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from tests.ensemble.learners import Net, accuracy, learn, log_loss, probabilities, table

from goodfit.base.errors import InputError
from goodfit.ensemble.averaging import average
from goodfit.ensemble.bagging import bags, out_of_bag
from goodfit.ensemble.boosting import samme, voted
from goodfit.ensemble.distillation import Distilled, soft_loss, taught
from goodfit.ensemble.gradient_boosting import Sum, gradient_boost
from goodfit.ensemble.stacking import SecondLevel, stack
from goodfit.tasks.binary import Binary
from goodfit.tasks.multiclass import Multiclass
from goodfit.tasks.regression import Regression


def cross_entropy(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(output, y, reduction="none")


def test_out_of_bag_predictions_are_honest_and_bags_beat_one_tree() -> None:
    data = table("digits")
    x, y = data.x.numpy(), data.y.numpy()
    drawn = bags(len(x), 30, seed=2)
    trees = [DecisionTreeClassifier(random_state=0).fit(x[bag.inside], y[bag.inside]) for bag in drawn]
    said, count = out_of_bag([tree.predict_proba(x[bag.outside]) for tree, bag in zip(trees, drawn, strict=True)], drawn, len(x))
    assert count.mean() == pytest.approx(30 * np.exp(-1), rel=0.05)
    seen = count > 0
    inside_test = average(np.stack([tree.predict_proba(data.test_x.numpy()) for tree in trees]))
    assert accuracy(said[seen], data.y[seen]) == pytest.approx(accuracy(inside_test, data.test_y), abs=0.03)
    assert accuracy(inside_test, data.test_y) > accuracy(trees[0].predict_proba(data.test_x.numpy()), data.test_y) + 0.05


def test_bags_by_group_keep_groups_together_and_repeat_by_the_seed() -> None:
    group = np.repeat(np.arange(12), 5)
    for bag in bags(60, 5, group=group, seed=1):
        assert not set(group[bag.inside]) & set(group[bag.outside])
        rows, counts = bag.counts
        assert counts.sum() == len(bag.inside)
        assert len(np.unique(counts[group[rows] == group[rows[0]]])) == 1
    assert all((a.inside == b.inside).all() for a, b in zip(bags(50, 2), bags(50, 2), strict=True))
    assert len(bags(2, 40)) == 40  # each leaves a row outside
    assert len(bags(100, 1, share=0.5)[0].inside) == 50


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_samme_has_the_weights_of_scikit_learn(name: str) -> None:
    data = table(name)
    x, y = data.x.numpy(), data.y.numpy()
    classes = int(y.max()) + 1
    theirs = AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2, random_state=0), n_estimators=12, learning_rate=0.7, random_state=0
    ).fit(x, y)
    seeds = [tree.random_state for tree in theirs.estimators_]

    def fit(weight: np.ndarray, number: int) -> DecisionTreeClassifier:
        return DecisionTreeClassifier(max_depth=2, random_state=seeds[number]).fit(x, y, sample_weight=weight)

    ours = samme(fit, lambda tree: tree.predict(x), y, classes, rounds=12, rate=0.7)
    np.testing.assert_allclose(ours.weights, theirs.estimator_weights_[: len(ours.weights)], rtol=1e-8)
    np.testing.assert_allclose(ours.errors, theirs.estimator_errors_[: len(ours.errors)], rtol=1e-8)
    said = voted([tree.predict(data.test_x.numpy()) for tree in ours.members], ours.weights, classes)
    assert (said.argmax(1) == theirs.predict(data.test_x.numpy())).all()


def test_boosted_networks_beat_the_first_of_them() -> None:
    data = table("digits", 500)

    def fit(weight: np.ndarray, number: int) -> Net:
        return learn(Net(64, 10, hidden=3, seed=number), data.x, data.y, cross_entropy, weight=torch.from_numpy(weight), steps=60)

    answer = lambda network, x=data.x: network(x).argmax(1).numpy()  # noqa: E731
    found = samme(fit, answer, data.y.numpy(), 10, rounds=8)
    said = voted([answer(network, data.test_x) for network in found.members], found.weights, 10)
    assert accuracy(said, data.test_y) > accuracy(probabilities(found.members[0], data.test_x), data.test_y) + 0.05


def test_samme_ends_with_perfection_and_before_guessing() -> None:
    y = np.array([0, 1, 2, 0])
    perfect = samme(lambda w, k: k, lambda k: y, y, 3)
    assert (perfect.members, perfect.weights.tolist()) == ([0], [1.0])
    assert "no mistake" in perfect.stopped
    answers = [np.array([0, 1, 2, 1]), np.array([1, 2, 0, 2])]
    poor = samme(lambda w, k: k, lambda k: answers[k], y, 3)
    assert poor.members == [0]
    assert "no better than guessing" in poor.stopped


def test_gradient_boosting_of_trees_is_scikit_learn_s() -> None:
    data = table("diabetes")
    x, y = data.x.numpy(), data.y.numpy()
    theirs = GradientBoostingRegressor(n_estimators=15, max_depth=2, learning_rate=0.1, random_state=0).fit(x, y)

    def fit(missing: torch.Tensor, number: int) -> DecisionTreeRegressor:
        return DecisionTreeRegressor(max_depth=2, random_state=0).fit(x, missing[:, 0].numpy())

    def answer(tree: DecisionTreeRegressor, rows: np.ndarray = x) -> torch.Tensor:
        return torch.from_numpy(tree.predict(rows))[:, None]

    found = gradient_boost(fit, answer, Regression().loss, data.y, 1, rounds=15, rate=0.1)
    said = found.output([answer(tree, data.test_x.numpy()) for tree in found.members])[:, 0].numpy()
    np.testing.assert_allclose(said, theirs.predict(data.test_x.numpy()), atol=1e-6)
    np.testing.assert_allclose(found.losses[1:], theirs.train_score_, rtol=1e-6)


def test_gradient_boosted_networks_learn_classes() -> None:
    data = table("breast_cancer")
    square = lambda output, missing: (output - missing).square().mean(1)  # noqa: E731

    def fit(missing: torch.Tensor, number: int) -> Net:
        return learn(Net(30, 1, hidden=3, seed=number), data.x, missing.float(), square, steps=30)

    found = gradient_boost(fit, lambda network: network(data.x), Binary().loss, data.y, 1, rounds=15, rate=0.3)
    assert all(after <= before for before, after in zip(found.losses, found.losses[1:], strict=False))
    share = data.y.double().mean()
    assert float(found.start) == pytest.approx(float(torch.logit(share)), abs=1e-4)
    network = Sum(found)
    total = found.output([member(data.test_x) for member in found.members]).detach()
    torch.testing.assert_close(network(x=data.test_x).double(), total, rtol=1e-4, atol=1e-5)
    loss = F.binary_cross_entropy_with_logits(total[:, 0], data.test_y.double())
    first = found.start + 0.3 * found.steps[0] / 0.3 * found.members[0](data.test_x)
    assert loss < F.binary_cross_entropy_with_logits(first[:, 0], data.test_y.double())
    assert float(((total[:, 0] > 0) == (data.test_y == 1)).double().mean()) > 0.93


@pytest.mark.parametrize(("hidden", "penalty"), [(0, None), (8, 0.01)])
def test_a_second_level_learns_whom_to_believe(hidden: int, penalty: float | None) -> None:
    """Naive Bayes on digits is too sure and wrong; the plain mean suffers from it, the second level does not."""
    data = table("digits", 600)
    x, y = data.x.numpy(), data.y.numpy()
    firsts = [LogisticRegression(C=0.1), KNeighborsClassifier(5), GaussianNB(var_smoothing=1e-3)]
    out_of_fold = np.stack([cross_val_predict(model, x, y, cv=5, method="predict_proba") for model in firsts])
    said = np.stack([model.fit(x, y).predict_proba(data.test_x.numpy()) for model in firsts])
    second = stack(out_of_fold, y, hidden=hidden, penalty=penalty, seed=1)
    loss = log_loss(second.predict(said), data.test_y)
    assert loss < min(log_loss(own, data.test_y) for own in said)
    assert loss < log_loss(average(said), data.test_y)


def test_a_second_level_of_numbers_beats_the_mean_with_a_useless_network() -> None:
    data = table("diabetes")
    x, y = data.x.numpy().astype(np.float64), 150 + 70 * data.y.numpy()
    firsts = [Ridge(), KNeighborsRegressor(15)]
    out_of_fold = np.stack([*(cross_val_predict(model, x, y, cv=5) for model in firsts), np.roll(y, 7)])
    said = [model.fit(x, y).predict(data.test_x.numpy()) for model in firsts]
    given = np.stack([*said, np.random.default_rng(0).permutation(np.resize(y, len(data.test_y)))])
    truth = 150 + 70 * data.test_y.numpy()
    error = lambda p: float(((p - truth) ** 2).mean())  # noqa: E731
    second = stack(out_of_fold, y)
    assert error(second.predict(given)) < error(average(given))
    assert error(second.predict(given)) < 1.05 * min(error(own) for own in said)


def test_before_it_learns_a_second_level_is_the_mean() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(4), (3, 20))
    np.testing.assert_allclose(SecondLevel(3, 4, hidden=5).predict(p), average(p), atol=1e-9)
    numbers = np.random.default_rng(0).normal(size=(3, 20))
    np.testing.assert_allclose(SecondLevel(3, None, mean=2.0, std=3.0).predict(numbers), numbers.mean(0), atol=1e-9)
    rows = np.random.default_rng(1).integers(0, 4, 20)
    np.testing.assert_allclose(stack(p, rows, penalty=1e9).predict(p), average(p), atol=1e-5)


def test_the_soft_loss_is_the_divergence_at_the_temperature() -> None:
    student, teacher = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for temperature in (1.0, 4.0):
        p, q = (teacher / temperature).softmax(-1), (student / temperature).softmax(-1)
        torch.testing.assert_close(soft_loss(student, teacher, temperature), temperature**2 * (p * (p / q).log()).sum(-1))
    assert float(soft_loss(teacher, teacher).abs().max()) < 1e-12
    # Two logits or one: the same loss of two classes.
    z, p = torch.tensor([[0.3], [-1.0]]), np.array([[0.2, 0.8], [0.6, 0.4]])
    truth = torch.tensor([1.0, 0.0])
    one = Distilled(Binary()).loss(z, taught(Binary(), truth, {"probability": p}))
    two = Distilled(Multiclass(2)).loss(torch.cat([torch.zeros_like(z), z], 1), taught(Multiclass(2), truth, {"probability": p}))
    torch.testing.assert_close(one, two)


def test_a_task_is_itself_where_the_teacher_has_no_share_and_members_are_averaged() -> None:
    output, truth = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0.0, 1, 2, 3, 0, 1])
    said = taught(Multiclass(4), truth, {"probability": np.full((6, 4), 0.25)})
    torch.testing.assert_close(Distilled(Multiclass(4), share=0).loss(output, said), Multiclass(4).loss(output, truth))
    each = torch.stack([Distilled(Multiclass(4)).loss(output[:, k], said) for k in range(3)], 1).mean(1)
    torch.testing.assert_close(Distilled(Multiclass(4)).loss(output, said), each)
    number = Regression(mean=10.0, std=2.0)
    target = taught(number, None, {"mean": np.array([12.0, 10.0])})
    assert Distilled(number).loss(torch.zeros(2, 1), target).tolist() == [1.0, 0.0]  # standardised 1 and 0; the truth is unknown


def test_a_distilled_network_keeps_most_of_what_the_ensemble_gains() -> None:
    """Six teachers that learned from 150 digits; the student learns from their answers on 700 more without labels."""
    few, more = table("digits", 150), table("digits", 850)
    teachers = [learn(Net(64, 10, seed=seed), few.x, few.y, cross_entropy, steps=60) for seed in range(6)]
    alone = np.mean([log_loss(probabilities(network, few.test_x), few.test_y) for network in teachers])
    together = log_loss(average(np.stack([probabilities(network, few.test_x) for network in teachers])), few.test_y)
    task = Distilled(Multiclass(10))
    labels = torch.full((len(more.x),), torch.nan)
    labels[:150] = few.y
    target = taught(task.task, labels, {"probability": average(np.stack([probabilities(network, more.x) for network in teachers]))})
    student = learn(Net(64, 10, seed=10), more.x, target, task.loss, steps=150)
    distilled = log_loss(probabilities(student, few.test_x), few.test_y)
    assert together < alone
    assert (alone - distilled) / (alone - together) > 0.5
    metrics = task.metrics({"probability": probabilities(student, few.test_x)}, few.test_y.numpy())
    assert metrics["log_loss"] == pytest.approx(distilled, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: bags(1, 3), "at least 2 rows"),
        (lambda: bags(5, 3, group=np.zeros(5)), "at least 2 groups"),
        (lambda: bags(5, 3, group=np.zeros(4)), "a group for each of the 5 rows; 4"),
        (lambda: out_of_bag([np.zeros(3)], bags(10, 1), 10), "rows outside the bag"),
        (lambda: out_of_bag([], bags(10, 1), 10), "0 for 1 bags"),
        (lambda: samme(lambda w, k: k, lambda k: np.ones(4), np.zeros(4), 2), "wrong on 100% of the weight"),
        (lambda: samme(lambda w, k: k, lambda k: k, np.zeros(4), 1), "at least 2 classes"),
        (lambda: samme(lambda w, k: k, lambda k: k, np.zeros(4), 2, rounds=0), "rounds must be at least 1"),
        (lambda: samme(lambda w, k: k, lambda k: k, np.zeros(4), 2, weight=np.zeros(4)), "not all 0"),
        (lambda: voted(np.zeros((2, 3), int), np.ones(3), 2), "a weight for each member"),
        (lambda: gradient_boost(lambda r, k: k, lambda k: k, Regression().loss, torch.zeros(3), 1, rate=2), "at 1 at most; 20, 1 and 2"),
        (
            lambda: gradient_boost(lambda r, k: k, lambda k: torch.zeros(3), Regression().loss, torch.ones(3), 1),
            r"of shape \(3, 1\); \(3,\)",
        ),
        (lambda: gradient_boost(lambda r, k: k, lambda k: k, Regression().loss, torch.tensor([1.0, torch.nan]), 1), "finite loss"),
        (lambda: stack(np.zeros((2, 5)), np.zeros(5)), "at least 10 rows"),
        (lambda: stack(np.full((2, 12, 3), 1 / 3), np.full(12, 3)), "from 0 to 2; 3 to 3"),
        (lambda: stack(np.full((2, 12), np.nan), np.zeros(12)), "must be finite"),
        (lambda: SecondLevel(2, 3).predict(np.zeros((3, 4, 3))), r"\[2, n, 3\]; \(3, 4, 3\)"),
        (lambda: Distilled(Multiclass(3), temperature=0), "temperature must be above 0"),
        (lambda: Distilled(object()), "classes and numbers; the task object"),
        (lambda: taught(Multiclass(3), None, {"probability": np.zeros((4, 2))}), r"\[n, 3\]; \(4, 2\)"),
        (lambda: taught(Regression(), torch.zeros(3), {"mean": np.zeros(4)}), "each of the 3 rows; 4 were given"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(call, said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()
