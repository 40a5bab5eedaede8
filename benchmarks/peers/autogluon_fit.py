"""AutoGluon's MultiModalPredictor: its defaults, or its preset best_quality; the network is the local one."""

from __future__ import annotations

from common import Job


def main() -> None:
    """Fits within the job's seconds, then predicts."""
    job = Job()
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    job.use_local_weights()
    files = job.train_files()
    table = pd.DataFrame({"image": [path for path, _ in files], "label": [label for _, label in files]})
    predictor = MultiModalPredictor(label="label", problem_type="multiclass", path=str(job.out / "model"), verbosity=2)
    # The network that a preset asks for lies on a hub: all of them get the file that is here.
    network = {"model.names": ["timm_image"], "model.timm_image.checkpoint_name": job.net}
    predictor.fit(
        table, time_limit=max(1.0, job.left), presets="best_quality" if job.best else None, hyperparameters=network
    )
    job.trained()
    predicted = {}
    for name, paths in job.unseen_files().items():
        predicted[name] = [int(label) for label in predictor.predict(pd.DataFrame({"image": paths}))]
    job.say(predicted)


if __name__ == "__main__":
    main()
