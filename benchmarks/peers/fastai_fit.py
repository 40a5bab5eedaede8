"""fastai as its book teaches it: vision_learner, aug_transforms, fine_tune, test-time augmentation."""

from __future__ import annotations

import time

from common import Job


def main() -> None:
    """Times one epoch of the frozen body, fine-tunes as many as fit in, then predicts."""
    job = Job()
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        IndexSplitter,
        Resize,
        accuracy,
        aug_transforms,
        vision_learner,
    )

    job.use_local_weights()
    labels = {path: job.classes[label] for path, label in job.train_files()}
    block = DataBlock(
        (ImageBlock, CategoryBlock(vocab=job.classes)), get_y=labels.get,
        splitter=IndexSplitter(list(range(0, len(labels), 20))), item_tfms=Resize(job.size),
        batch_tfms=aug_transforms(flip_vert=True, max_rotate=45.0),
    )  # fmt: skip
    dls = block.dataloaders(list(labels), bs=64)
    learn = vision_learner(dls, job.net, metrics=accuracy)
    begun = time.monotonic()
    learn.fit_one_cycle(1, 3e-3)  # the epoch of fine_tune that is frozen, by hand, so that it can be timed
    frozen = time.monotonic() - begun
    learn.unfreeze()
    # An unfrozen epoch goes back through the body too: at most three times as long as a frozen one.
    begun, epochs = time.monotonic(), 0
    learn.fit_one_cycle(1, slice(1.5e-5, 1.5e-3))
    whole = time.monotonic() - begun
    if (left := int(job.left / whole)) > 0:
        learn.fit_one_cycle(left, slice(1.5e-5, 1.5e-3), pct_start=0.3)
        epochs = left
    job.trained(epochs=epochs + 2, frozen_epoch=frozen, whole_epoch=whole)
    predicted = {}
    for name, paths in job.unseen_files().items():
        loader = dls.test_dl(paths)
        probabilities, _ = learn.tta(dl=loader)
        predicted[name] = probabilities.argmax(1).tolist()
    job.say(predicted)


if __name__ == "__main__":
    main()
