"""The whole job on a small space: result folder, refusal to overwrite, stopping, resuming, torn checkpoints."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve
from cospace.compiler.exact.exact import evaluate
from cospace.dsl.diagnostics import SpecError
from cospace.runtime import design_file
from cospace.runtime import search as job
from cospace.runtime import train as training
from cospace.runtime.context import prepare
from cospace.runtime.events import Event, ignore
from cospace.runtime.front import find_dominated, measure_hypervolume, sort_layers, spread
from cospace.runtime.joint import begin_joint
from cospace.runtime.ranking import rank
from cospace.runtime.store import Checkpoints
from spaces import make_space


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "ROUNDS", ((2, 2), (1, 3)))
    monkeypatch.setattr(job, "SAVE_EVERY", 2)
    monkeypatch.setattr(design_file, "_break_down", lambda space, design: None)


SMALL = make_space(widths=(4, 8), epochs=6, train_epochs=4)


def run(folder: Path, **more: object) -> job.Outcome:
    return job.search(SMALL, folder, seed=1, **more)  # type: ignore[arg-type]


def test_a_run_leaves_its_results(tmp_path: Path) -> None:
    events: list[Event] = []
    outcome = run(tmp_path / "a", observe=events.append)
    assert outcome.finished and len(outcome.test) == 3
    design = json.loads((tmp_path / "a/design.json").read_text())
    assert design["design"] == outcome.design
    assert {o["modelled"] for o in design["objectives"]} == {True, False}
    rows = list(csv.DictReader((tmp_path / "a/pareto.csv").open()))
    assert rows and {r["dominated"] for r in rows} <= {"0", "1"}
    assert set(SMALL._by_path) < set(rows[0])
    lines = [json.loads(x) for x in (tmp_path / "a/history.jsonl").read_text().splitlines()]
    assert {x["phase"].split()[0] for x in lines} >= {"search", "derive", "train", "report"}
    body = json.loads((tmp_path / "a/run.json").read_text())
    assert body["finished"] is True
    expected = rank([float(r["loss_one_shot"]) for r in rows], [float(r["error_choice"]) for r in rows])
    assert body["ranking"] == expected.to_json() and expected.networks == len(rows) > 8, "changes are judged, too"
    assert events[-1].kind == "done" and any(e.kind == "front" and e.front for e in events)
    with pytest.raises(SpecError, match="CS704"):
        run(tmp_path / "a")
    assert run(tmp_path / "a", overwrite=True).finished


def test_stopped_anywhere_and_resumed_it_ends_the_same(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    for moment in (2, 5, 9, 20):
        folder, stop, seen = tmp_path / str(moment), threading.Event(), 0

        def observe(event: Event, stop: threading.Event = stop, moment: int = moment) -> None:
            nonlocal seen
            seen += event.kind == "step"
            if seen == moment:
                stop.set()

        first = run(folder, observe=observe, stop=stop)
        assert not first.finished and first.design is not None
        again = job.resume(folder)
        assert again.finished
        assert (again.design, again.test) == (whole.design, whole.test)
        assert (folder / "pareto.csv").read_bytes() == (tmp_path / "whole/pareto.csv").read_bytes()
        told = [json.loads((f / "run.json").read_text()) for f in (folder, tmp_path / "whole")]
        assert told[0]["ranking"] == told[1]["ranking"]
        assert told[0]["budget"]["passes"] == told[1]["budget"]["passes"]


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="CS709"):
        job.resume(tmp_path)


def test_a_torn_checkpoint_is_refused_and_the_one_before_used(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    for epoch in (1, 2):
        store.save({"epoch": epoch}, {"a": np.full(50, epoch, np.float32)})
    for name in ("000002.json", "000002.safetensors"):
        content = (tmp_path / name).read_bytes()
        for cut in np.linspace(0, len(content) - 1, 32).astype(int):
            (tmp_path / name).write_bytes(content[:cut])
            found = store.load()
            assert found is not None
            state, tensors, refused = found
            assert state == {"epoch": 1} and tensors["a"][0] == 1 and len(refused) == 1
        (tmp_path / name).write_bytes(content)
    found = store.load()
    assert found is not None and found[0] == {"epoch": 2}


def test_everything_proposed_is_feasible() -> None:
    run_ = prepare(SMALL, 0, None, ignore, threading.Event())
    joint = begin_joint(run_, run_.stage("search"), 0)
    for _ in range(5):
        joint.advance()
    for row in np.concatenate([*joint.certified, joint.draw(4), joint.draw_uniform()]):
        design = run_.costs.decode(row)
        assert all(evaluate(r.value, design) is True for r in SMALL.requirements)


def test_a_weight_step_touches_one_path_alone() -> None:
    run_ = prepare(SMALL, 0, None, ignore, threading.Event())
    joint = begin_joint(run_, run_.stage("search"), 0)
    rows = joint.distribution.draw(64)
    for row in rows:
        joint.supernet.weights(run_.planner.resolve(run_.costs.decode(row)))
    subnet = run_.planner.resolve(run_.costs.decode(rows[0]))
    before = {key: bank.values.copy() for key, bank in joint.supernet.banks.items()}
    (batch,) = run_.task.batches("train")
    joint.supernet.step({(): subnet}, batch, joint.settings.loss, joint.settings.optimiser, 0)
    places = {step.place for step in subnet.steps}
    for key, bank in joint.supernet.banks.items():
        if key[0] not in places:
            assert np.array_equal(bank.values, before[key])
    assert any(not np.array_equal(bank.values, before[key]) for key, bank in joint.supernet.banks.items())


def test_weights_are_of_the_best_look_and_the_error_of_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    run_ = prepare(SMALL, 0, None, ignore, threading.Event())
    scripted = iter([(0.9, 9.0), (0.1, 1.0), (0.3, 3.0), (0.2, 2.0), (0.4, 4.0), (0.1, 1.5)])
    monkeypatch.setattr(training, "look", lambda *_: next(scripted))
    settings = evolve(training.read_train_settings(run_, run_.stage("train")), epochs=6 * training.CHECK_EVERY)
    row = begin_joint(run_, run_.stage("search"), 0).draw(1)
    trained = training.train(run_, run_.planner.subnets(run_.costs.decode(row[0])), settings, 0)
    assert trained.epoch == 2 * training.CHECK_EVERY - 1  # of two equal errors the one with the less loss
    assert trained.error == pytest.approx((0.2 + 0.4 + 0.1) / 3)  # one lucky look does not decide


def test_rounds_of_confirmation_narrow_down() -> None:
    errors = [0.30, 0.10, 0.20, 0.25]  # of the first seed; later ones turn the two best round
    later = {0: 0.3, 1: 0.4, 2: 0.1, 3: 0.2}
    candidates = [job.Candidate(np.array([[i]]), (e,), 0.0) for i, e in enumerate(errors)]
    trained = []
    while (i := job._next_to_confirm(candidates, 0.01, job.ROUNDS)) is not None:
        trained.append(i)
        candidates[i] = job.Candidate(candidates[i].row, (*candidates[i].errors, later[i]), 0.0)
    assert trained == [1, 2, 2]
    assert job.choose(candidates, 0.01) is candidates[2]


def test_the_choice_is_on_disk_before_the_report_split_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, chosen = training.look, []

    def look(run_: object, subnet: object, weights: object, split: str, *more: object) -> tuple[float, float]:
        if split == "report":
            chosen.append(json.loads((tmp_path / "a/design.json").read_text())["design"])
        return real(run_, subnet, weights, split, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "look", look)
    outcome = run(tmp_path / "a")
    assert chosen and all(design == outcome.design for design in chosen)


def test_fronts_and_hypervolume() -> None:
    points = np.array([[0.1, 5.0], [0.2, 3.0], [0.3, 4.0], [0.4, 1.0], [0.2, 3.0]])
    assert find_dominated(points).tolist() == [False, False, True, False, True]
    assert sort_layers(points)[0] == [0, 1, 3]
    assert set(spread(points, 2)) == {0, 3}
    assert measure_hypervolume(points, (0.5, 6.0)) == pytest.approx(0.4 * 1 + 0.3 * 2 + 0.1 * 2)
