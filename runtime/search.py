"""The whole job: search jointly, derive, train from scratch, choose, then report on what was never looked at.

Every phase ends on disk before the next begins, so that a run that is stopped or killed goes on where it was and ends
as if it had not been.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import define, evolve, field, frozen
from cospace.compiler.space.model import Space
from cospace.compiler.space.schema import to_json
from cospace.runtime import results
from cospace.runtime.context import Run, Stopped, prepare
from cospace.runtime.derive import Entry, change_one, judge_one_shot, pick_finalists, refine_pool
from cospace.runtime.design_file import Tests, errors_of, gap_of, write_design
from cospace.runtime.events import Event, Observe, ignore
from cospace.runtime.freeze import freeze, thaw
from cospace.runtime.hardware import Hardware, row_of
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.registry import refuse
from cospace.runtime.results import Candidate
from cospace.runtime.store import Checkpoints, read_json, write_json
from cospace.runtime.train import TrainSettings, measure_errors, read_train_settings, train

SAVE_EVERY, SAVE_AFTER = 20, 10.0
"""Epochs of a joint search, and seconds, after which what it has is kept at the end of an epoch."""
ROUNDS = ((5, 3), (3, 6), (2, 10))
"""Before one candidate is chosen, the best so many are trained until each has so many seeds; of those the best; …: as
many of these rounds as the text says, all where it says nothing."""
TRADE = 0.01
REPORT_SEED = 1_000


@frozen
class Outcome:
    """What a run found. design: path -> shown value. test: accuracy a seed on `report`."""

    folder: Path
    finished: bool
    design: dict[str, Any] | None
    objectives: tuple[dict[str, Any], ...]
    choice_accuracy: float | None
    test: tuple[float, ...]


def search(
    space: Space,
    out: Path,
    seed: int = 0,
    data: Path | None = None,
    overwrite: bool = False,
    baselines: bool = False,
    observe: Observe = ignore,
    stop: threading.Event | None = None,
    strict: bool = False,
    bfloat16: bool | None = None,
) -> Outcome:
    """Search a space into a result folder. strict, bfloat16: as of `prepare`.

    Raises:
        SpecError: CS701-CS709, for what cannot run, data that is missing or different, a folder that holds results.
    """
    out = Path(out)
    run = prepare(space, seed, data, observe, stop or threading.Event(), strict, bfloat16)
    begin_joint(run, run.stage("search"), seed)  # refusals come before anything is written
    results.claim_folder(out, overwrite)
    write_json(out / "space.json", to_json(space))
    where = str(Path(data).resolve()) if data is not None else None
    return _Job(run, out, {"data": where, "strict": strict, "bfloat16": bfloat16, "baselines": baselines}).go()


def resume(
    folder: Path,
    data: Path | None = None,
    observe: Observe = ignore,
    stop: threading.Event | None = None,
    strict: bool = False,
) -> Outcome:
    """Go on with a run that was stopped or killed, in the arithmetic that it began in. A finished one is read back.

    Raises:
        SpecError: CS709 when the folder holds no run to go on with; else as `search`.
    """
    folder = Path(folder)
    body, space = results.read_run(folder), results.read_space(folder)
    seed, settings = results.read_start(folder, body)
    if data is None and settings.get("data"):
        data = Path(settings["data"])
    if body.get("finished"):
        return _read_outcome(folder)
    strict, bfloat16 = strict or settings.get("strict") is True, body.get("mixed precision") is True
    run = prepare(space, seed, data, observe, stop or threading.Event(), strict, bfloat16)
    job = _Job(run, folder, settings)
    job.restore()
    return job.go()


@define
class _Job:
    """A run with its folder. state: what is done, as JSON; each phase looks there before it works."""

    run: Run
    folder: Path
    settings: dict[str, Any]
    state: dict[str, Any] = field(factory=dict)
    tensors: dict[str, np.ndarray] = field(factory=dict)
    joint: Joint | None = None
    history: results.History | None = None
    before: float = 0.0
    expected: float = 1.0

    # ---- the phases

    def go(self) -> Outcome:
        run, watch = self.run, self.run.observe
        self.history = results.History(self.folder, int(self.state.get("lines", 0)))

        def observe(event: Event) -> None:
            run.share = min(run.budget.passes / self.expected, 0.99)
            if self.history is not None:
                self.history.add(event)
            watch(event)

        run.observe = observe
        stage, training = run.stage("search"), run.stage("train")
        settings = read_train_settings(run, training)
        self.expected = self._expect(settings)
        self._write_run(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            try:
                joint = self._search(begin_joint(run, stage, run.seed))
                hardware = Hardware(run.costs, joint.hardware, run.seed)
                finalists = self._derive(joint, hardware)
                candidates = self._train(joint, hardware, finalists, settings)
                chosen = self._choose(candidates)
                tests = self._report(chosen, settings)
                baseline = self._compare(settings)
                if self.settings.get("baselines"):
                    self._run_baselines(settings, hardware)
            except Stopped:
                return self._stop()
        gap = gap_of(run, hardware, chosen.row)
        write_design(run, self.folder, chosen, tests, baseline, gap)
        self._write_run(True)
        run.tell("done", "done", accuracy=float(np.mean(tests.means)))
        return _read_outcome(self.folder)

    def _search(self, joint: Joint) -> Joint:
        """The joint search, with a checkpoint every few epochs or seconds."""
        self.joint = joint
        if "joint" in self.state:
            thaw(joint, self.state["joint"], self.tensors)
        total = joint.settings.epochs
        if joint.epoch < total:
            self.run.tell("phase", "search", joint.epoch, total)
        saved = time.monotonic()
        while joint.epoch < total:
            self.run.check_stop()
            values = joint.advance()
            self.run.tell("step", "search", joint.epoch, total, **values)
            if joint.epoch % SAVE_EVERY == 0 or joint.epoch == total or time.monotonic() - saved >= SAVE_AFTER:
                self._save()
                saved = time.monotonic()
        return joint

    def _derive(self, joint: Joint, hardware: Hardware) -> list[Entry]:
        """The finalists: a spread over the front of the pool."""
        if "finalists" not in self.state:
            run = self.run
            pool = self._count("pool", 240, least=1)
            run.tell("phase", "derive", 0, pool)
            if joint.certified:
                hardware.remember(np.concatenate(joint.certified))
            found = refine_pool(
                run, joint.supernet, hardware, joint.distribution, joint.network, joint.draw, pool, seed=run.seed
            )
            if not found:
                raise refuse("CS710", "no feasible design was met; `cospace check` says whether there is one")
            finalists = pick_finalists(found, hardware, self._count("candidates", 8, least=1))
            finalists += self._known(joint, hardware)
            self.state["finalists"] = [_to_list(e) for e in finalists]
            self._save()
        return [_from_list(x) for x in self.state["finalists"]]

    def _known(self, joint: Joint, hardware: Hardware) -> list[Entry]:
        """The networks of the space's baselines, each on its best accelerator: what is known enters the comparison."""
        entries = []
        for reference in self.run.space.references:
            found = hardware.find_best(row_of(self.run.costs, dict(reference.design)))
            if found is not None:
                entries.append(self._judge(joint, *found))
        return entries

    def _judge(self, joint: Joint, row: np.ndarray, score: float) -> Entry:
        return Entry(row, *judge_one_shot(self.run, joint.supernet, row), score)

    def _train(
        self, joint: Joint, hardware: Hardware, finalists: list[Entry], settings: TrainSettings
    ) -> list[Candidate]:
        """Train each finalist from scratch, then changes of the best one, then the best with more seeds."""
        run = self.run
        done = [Candidate.from_json(c) for c in self.state.get("candidates", [])]
        for entry in finalists[len(done) :]:
            self._train_entry(entry, done, len(finalists), settings)
        while len(done) < len(finalists) + self._count("changes", 16):
            entry = self._change(joint, hardware, done)
            if entry is None:
                break
            self._train_entry(entry, done, len(done) + 1, settings)
        rounds = ROUNDS[: self._count("rounds", len(ROUNDS))]
        while (again := _next_to_confirm(done, self._trade(), rounds)) is not None:
            c = done[again]
            phase = f"confirm {again + 1}"
            error = self._train_once(c.row, settings, run.seed + len(c.errors), phase)
            done[again] = evolve(c, errors=(*c.errors, error))
            self._keep(done, trained=True)
        return done

    def _change(self, joint: Joint, hardware: Hardware, done: Sequence[Candidate]) -> Entry | None:
        """A design not trained yet, one network decision from the best so far: in turn the cheapest such design on
        the same accelerator, and any; None when all have been. On its own best accelerator."""
        run, network = self.run, joint.network
        seen = {c.row[:, network].tobytes() for c in done}
        parent = min(done, key=lambda c: (c.errors[0] + self._trade() * c.score, c.score))
        rows = [r for r in change_one(parent.row, joint.distribution, network) if r[:, network].tobytes() not in seen]
        if not rows:
            return None
        scores = run.costs.score_feasible(np.concatenate(rows))
        order = np.argsort(scores, kind="stable")
        if len(done) % 2:
            order = np.random.default_rng([run.seed, len(done)]).permutation(len(rows))
        for i in order:
            found = hardware.find_best(rows[int(i)])
            if found is not None:
                return self._judge(joint, *found)
        return None

    def _train_entry(self, entry: Entry, done: list[Candidate], of: int, settings: TrainSettings) -> None:
        """Train one more candidate."""
        phase = f"train {len(done) + 1} of {of}"
        self.run.tell("phase", phase, 0, settings.epochs)
        error = self._train_once(entry.row, settings, self.run.seed, phase)
        done.append(Candidate(entry.row, (error,), entry.score, one_shot=(entry.error, entry.loss)))
        self._keep(done)

    def _train_once(self, row: np.ndarray, settings: TrainSettings, seed: int, phase: str) -> float:
        subnets = self.run.planner.subnets(self.run.costs.decode(row[0]))
        return train(self.run, subnets, settings, seed, phase).error

    def _keep(self, candidates: list[Candidate], trained: bool = False) -> None:
        self.state["candidates"] = [c.to_json() for c in candidates]
        results.write_pareto(self.folder, self.run.costs, candidates)
        front = results.describe_front(self.run.costs, candidates)
        self.run.observe(Event("front", "train", len(candidates), 0, {}, front))
        self._save(trained)

    def _count(self, name: str, default: int, least: int = 0) -> int:
        """A whole number that the search stage says. Raises SpecError: CS705 where it is none."""
        stage = self.run.stage("search")
        value = self.run.number(stage, name, default)
        if not isinstance(value, int) or value < least:
            raise refuse(
                "CS705", f"`{name}` of the `search` stage must be a whole number, at least {least}", stage.span
            )
        return value

    def _trade(self) -> float:
        """What the text gives up in error for a factor e in the modelled objectives."""
        return float(self.run.number(self.run.stage("search"), "trade", TRADE))

    def _choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """Fix the choice on disk before the report split is read."""
        chosen = choose(candidates, self._trade())
        if "chosen" not in self.state:
            write_design(self.run, self.folder, chosen, Tests([]))
            self.state["chosen"] = chosen.to_json()
            self._save(trained=True)
        return chosen

    def _report(self, chosen: Candidate, settings: TrainSettings) -> Tests:
        """Accuracy on `report`, once a seed; the first seed's weights are kept."""
        return self._test("tests", chosen.row, settings, keep=True)

    def _compare(self, settings: TrainSettings) -> dict[str, Any] | None:
        """The first reference of the space, trained and reported in the same way."""
        references = self.run.space.references
        if not references:
            return None
        first = references[0]
        row = row_of(self.run.costs, dict(first.design))
        tests = self._test("reference_tests", row, settings, keep=False)
        return {
            "name": first.name,
            "doc": first.doc,
            "design": results.shown_design(self.run.space, dict(first.design)),
            "objectives": results.shown_objectives(self.run.costs, row, errors_of(self.run, row, tests)),
            "accuracy": {"test": tests.means},
            "feasible": bool(self.run.costs.certified(row)[0]),
        }

    def _test(self, name: str, row: np.ndarray, settings: TrainSettings, keep: bool) -> Tests:
        run = self.run
        wanted = max(int(run.number(run.stage("train"), "seeds", 3)), 1)
        done = [[float(a) for a in seed] for seed in self.state.get(name, [])]
        subnets = run.planner.subnets(run.costs.decode(row[0]))
        what = "report" if keep else "baseline"
        while len(done) < wanted:
            phase = f"{what} seed {len(done) + 1} of {wanted}"
            run.tell("phase", phase, 0, settings.epochs)
            trained = train(run, subnets, settings, REPORT_SEED + run.seed + len(done), phase)
            if keep and not done:
                results.write_weights(self.folder, trained)
            done.append([1 - error for error in measure_errors(run, trained, "report").values()])
            self.state[name] = done
            self._save(trained=True)
        return Tests(done)

    def _run_baselines(self, settings: TrainSettings, hardware: Hardware) -> None:
        from cospace.runtime.baselines import run_baselines

        if "baselines" not in self.state:
            candidates = [Candidate.from_json(c) for c in self.state["candidates"]]
            self.state["baselines"] = run_baselines(self.run, settings, hardware, candidates, self.state["searched"])
            self._save(trained=True)
        write_json(self.folder / "baselines.json", {"schema": 1, **self.state["baselines"]})

    # ---- keeping

    def restore(self) -> None:
        """Take up the newest checkpoint that is whole; none at all means from the start."""
        found = Checkpoints(self.folder / results.CHECKPOINTS).load()
        if found is None:
            return
        self.state, self.tensors, refused = found
        for text in refused:
            self.run.tell("note", "resume", text=text)
        self.before = float(self.state.get("seconds", 0.0))
        self.run.budget.passes = float(self.state.get("passes", 0.0))
        self.run.costs.evaluations = int(self.state.get("cost_evaluations", 0))
        self.run.costs.seconds = float(self.state.get("cost_seconds", 0.0))

    def _save(self, trained: bool = False) -> None:
        """A checkpoint. trained: the supernet is done with and no longer kept."""
        if not trained and self.joint is not None:
            self.state["joint"], self.tensors = freeze(self.joint)
        elif self.joint is not None and self.tensors:
            self.tensors = {k: v for k, v in self.tensors.items() if not k.startswith("bank/")}
            self.state["joint"]["banks"] = []
        self.state["seconds"] = self._seconds()
        self.state["passes"] = self.run.budget.passes
        self.state.setdefault("searched", 0.0)
        if "tests" not in self.state:
            self.state["searched"] = self.run.budget.passes
        self.state["cost_evaluations"], self.state["cost_seconds"] = self.run.costs.evaluations, self.run.costs.seconds
        self.state["lines"] = self.history.lines if self.history is not None else 0
        Checkpoints(self.folder / results.CHECKPOINTS).save(self.state, self.tensors)

    def _stop(self) -> Outcome:
        """Keep what was found so far: the chosen design, the best candidate, or the likeliest certified one."""
        run, joint = self.run, self.joint
        if joint is not None and joint.epoch < joint.settings.epochs and not joint.steps:
            self._save()  # within an epoch the end of one before is where a resumed search goes on
        candidates = [Candidate.from_json(c) for c in self.state.get("candidates", [])]
        if candidates:
            write_design(run, self.folder, choose(candidates, self._trade()), Tests(self.state.get("tests", [])))
        elif joint is not None and (row := _likeliest_feasible(joint)) is not None:
            write_design(run, self.folder, Candidate(row, (), 0.0), Tests([]))
        self._write_run(False)
        run.tell("note", "stopped", text=f"stopped; `cospace resume {self.folder}` goes on")
        return _read_outcome(self.folder)

    def _write_run(self, finished: bool) -> None:
        run = self.run
        params = {p.name: str(p.value.value) for p in run.space.params if p.given and p.value.is_const}
        ranking = results.rank_candidates([Candidate.from_json(c) for c in self.state.get("candidates", [])])
        body = {
            "space": run.space.name,
            "seed": run.seed,
            "device": run.device.type,
            "mixed precision": run.bfloat16,
            "left out": list(run.task.left_out),
            "settings": {**self.settings, "params": params},
            "budget": {
                "passes": run.budget.passes,
                "cost_evaluations": run.costs.evaluations,
                "cost_seconds": run.costs.seconds,
            },
            "ranking": ranking.to_json() if ranking is not None else None,
            "seconds": self._seconds(),
            "finished": finished,
        }
        results.write_run(self.folder, body)

    def _seconds(self) -> float:
        return self.before + time.monotonic() - self.run.started

    def _expect(self, settings: TrainSettings) -> float:
        """Passes that the whole run will take, for the time left."""
        run = self.run
        epochs, rounds = int(run.number(run.stage("search"), "epochs", 0)), ROUNDS[: self._count("rounds", len(ROUNDS))]
        seeds = max(int(run.number(run.stage("train"), "seeds", 3)), 1)
        had = (1, *(n for _, n in rounds))
        confirming = sum(kept * (n - before) for (kept, n), before in zip(rounds, had, strict=False))
        changes = self._count("changes", 16)
        trainings = self._count("candidates", 8, least=1) + changes + confirming
        trainings += seeds * (2 if run.space.references else 1)
        searched = (epochs * 2 + (self._count("pool", 240, least=1) + changes) / 2) * len(run.planner.bindings)
        return searched + trainings * settings.passes(run.planner.bindings)


def choose(candidates: Sequence[Candidate], trade: float) -> Candidate:
    """The candidate with the least error on `choice` plus `trade` times the logarithm of its modelled objectives.

    Only those trained with the most seeds compete: one lucky seed is no evidence.
    """
    most = max(len(c.errors) for c in candidates)
    return min((c for c in candidates if len(c.errors) == most), key=lambda c: (_worth(c, trade), c.error))


def _worth(candidate: Candidate, trade: float) -> float:
    return candidate.error + trade * candidate.score


def _next_to_confirm(candidates: Sequence[Candidate], trade: float, rounds: Sequence[tuple[int, int]]) -> int | None:
    """The index of a candidate that a round of confirmation lacks a seed of."""
    left, had = list(range(len(candidates))), 1
    for kept, seeds in rounds:
        known = [evolve(c, errors=c.errors[:had]) for c in candidates]
        left = sorted(left, key=lambda i: (_worth(known[i], trade), i))[:kept]
        for i in left:
            if len(candidates[i].errors) < seeds:
                return i
        had = seeds
    return None


def _likeliest_feasible(joint: Joint) -> np.ndarray | None:
    row = joint.distribution.likeliest()
    found = Hardware(joint.run.costs, joint.hardware, joint.run.seed).find_best(row)
    if found is not None:
        return found[0]
    return joint.certified[-1] if joint.certified else None


def _to_list(entry: Entry) -> list[Any]:
    return [entry.row[0].tolist(), entry.error, entry.loss, entry.score]


def _from_list(value: list[Any]) -> Entry:
    row, error, loss, score = value
    return Entry(np.array([row], np.int64), float(error), float(loss), float(score))


def _read_outcome(folder: Path) -> Outcome:
    body = results.read_run(folder)
    try:
        design = read_json(folder / "design.json")
    except (OSError, ValueError):
        return Outcome(folder, False, None, (), None, ())
    accuracy = design["accuracy"]
    return Outcome(
        folder, bool(body["finished"]), design["design"], tuple(design["objectives"]), accuracy["choice"],
        tuple(accuracy["test"]),
    )  # fmt: skip


__all__ = ["Outcome", "choose", "resume", "search"]
