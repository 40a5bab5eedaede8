"""A score after every epoch, on a few of the held-out rows, so that a hopeless trial need not end."""

from __future__ import annotations

import copy

import numpy as np

from kit.cluster.fits import FitJob
from kit.cluster.unit import Talk
from kit.inference.model import merge_views, net_logits
from kit.metrics.registry import get_metric
from kit.shifts.battery import Battery
from kit.train.fit import Fit

ROWS = 400


class GivenUp(Exception):
    """The pruner wants no more of it."""

    def __init__(self, epoch: int) -> None:
        super().__init__(epoch)
        self.epoch = epoch


class EpochWatch:
    """Called after every epoch; the fit is not touched, and draws nothing."""

    def __init__(self, job: FitJob, score: str, talk: Talk) -> None:
        self.job, self.talk = job, talk
        prepared = job.data.load()
        rows = prepared.split(job.fold).held_out
        rows = np.random.default_rng(0).permutation(rows)[:ROWS]
        self.images, self.labels = np.array(prepared.images[rows]), prepared.labels[rows]
        battery = Battery.from_config(job.contest.shift)
        cells = battery.draw(prepared.ids)[rows]
        if score != "clean" and cells.shape[1]:
            self.images = battery.apply(self.images, prepared.ids[rows], cells[:, 0])
        self.spec = job.trainer(prepared, 1.0).spec()

    def __call__(self, fold: int, fit: Fit) -> None:
        net = copy.deepcopy(fit.averaged).eval()
        metric = get_metric(self.job.contest.metric)
        score = metric.sign * metric.score(self.labels, merge_views(net_logits(net, self.images, self.spec), 1.0))
        epoch = -(-fit.step // fit.per_epoch)
        if not self.talk.report(epoch, score):
            raise GivenUp(epoch)
