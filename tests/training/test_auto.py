from __future__ import annotations

import json

import pytest
from training_samples import diabetes, iris, penguins

from tholos.training.auto import portfolio
from tholos.training.catalogue import for_task
from tholos.training.errors import InvalidParameter, RareClass, TooFewRows
from tholos.training.request import TrainingRequest
from tholos.training.trainer import Recorded, train


def test_auto_returns_a_leaderboard_and_a_replay_repeats_it_bit_for_bit():
    told, series = [], []
    request = TrainingRequest(target="species", budget_s=1.5, seed=3)
    first = train(
        penguins(),
        request,
        progress=lambda fraction, step: told.append((fraction, step)),
        metric=lambda name, value, step: series.append((name, value, step)),
    )
    board = first.leaderboard()
    assert len(first.trials) == len(portfolio("tabular-classification", 3))
    assert board[0].algorithm == first.chosen.algorithm.name
    assert dict(board[0].params) == dict(first.chosen.params)
    assert board[0].scores == first.scores
    assert [trial.scores["accuracy"] for trial in board] == sorted(
        (trial.scores["accuracy"] for trial in board), reverse=True
    )
    assert first.scores["accuracy"] > 0.95
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    finished = [place for place, trial in enumerate(first.trials) if trial.state == "finished"]
    assert [step for name, _, step in series if name == "trial.accuracy"] == finished

    # Through JSON, as the record is kept; with a budget that would try nothing but the first.
    record = json.loads(json.dumps(first.to_json()))
    again = train(
        penguins(), TrainingRequest(target="species", budget_s=1.0, seed=3), recorded=Recorded.from_json(record)
    )
    assert [(trial.algorithm, trial.state, trial.scores) for trial in again.trials] == [
        (trial.algorithm, trial.state, trial.scores) for trial in first.trials
    ]
    assert again.scores == first.scores
    assert again.chosen == first.chosen


def test_a_budget_that_is_used_up_skips_the_rest_and_says_so():
    trained = train(diabetes(), TrainingRequest(target="target", budget_s=1.0))
    states = [trial.state for trial in trained.trials]
    assert states[0] == "finished"
    assert "skipped" in states
    assert all(trial.notes for trial in trained.trials if trial.state == "skipped")
    assert trained.scores["r2"] > 0.3


def test_the_portfolio_takes_the_first_choice_of_every_algorithm_before_any_second():
    names = [candidate.algorithm.name for candidate in portfolio("tabular-classification", 0)]
    first_round = [entry.name for entry in for_task("tabular-classification")]
    assert names[: len(first_round)] == first_round
    assert len(names) == sum(len(entry.portfolio) for entry in for_task("tabular-classification"))


def test_scoring_a_named_algorithm_is_the_same_every_time_and_differs_by_seed():
    def scores(seed, **scoring):
        request = TrainingRequest(target="target", algorithm="decision_tree", seed=seed, **scoring)
        return train(iris(), request).scores

    assert scores(0, folds=3) == scores(0, folds=3)
    assert scores(0, validation=0.3) == scores(0, validation=0.3) != scores(1, validation=0.3)


def test_no_validation_when_none_is_asked_for():
    trained = train(iris(), TrainingRequest(target="target", algorithm="decision_tree", validation=0))
    assert trained.scores == {}
    assert trained.scoring is None
    assert trained.to_json()["validation"] is None


def test_too_little_data_to_score_on_is_refused():
    few = iris().take([0, 1, 2, 50, 51, 52, 100, 101, 102])
    with pytest.raises(TooFewRows) as caught:
        train(few, TrainingRequest(target="target", algorithm="decision_tree", folds=5))
    assert caught.value.details == {"rows": 9, "folds": 5}
    with pytest.raises(RareClass) as caught:
        train(few, TrainingRequest(target="target", algorithm="decision_tree", folds=4))
    assert "3" in caught.value.next
    tiny = few.take([0, 1, 3, 4])
    with pytest.raises(TooFewRows):
        train(tiny, TrainingRequest(target="target", algorithm="decision_tree", validation=0.2))
    trained = train(tiny, TrainingRequest(target="target", algorithm="decision_tree"))
    assert any("too few rows" in note for note in trained.notes)


def test_auto_needs_scores():
    with pytest.raises(InvalidParameter, match="auto compares"):
        train(iris(), TrainingRequest(target="target", validation=0.0))


def test_a_fit_that_did_not_converge_is_noted():
    trained = train(iris(), TrainingRequest(target="target", algorithm="mlp", params={"epochs": 2}))
    assert any("converged" in note for note in trained.notes)
    auto = train(
        iris(), TrainingRequest(target="target", algorithm="logistic_regression", params={"max_iterations": 1})
    )
    assert any("converge" in note for note in auto.notes)
