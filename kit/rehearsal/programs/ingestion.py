"""The organisers' ingestion program: `python ingestion.py INPUT OUTPUT PROGRAM SUBMISSION`.

INPUT holds images.npz with `images` (N, H, W, 3) uint8. The submission's class is made and called once for
all images; its labels go to OUTPUT/predictions.npy. settings.json beside this file names the class.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np


def main(input_folder: str, output_folder: str, program_folder: str, submission_folder: str) -> None:
    """Predict all images with the submission."""
    with open(os.path.join(program_folder, "settings.json"), encoding="utf-8") as file:
        settings = json.load(file)
    with np.load(os.path.join(input_folder, "images.npz"), allow_pickle=False) as archive:
        X = archive["images"]
    sys.path.insert(0, submission_folder)
    start = time.time()
    module = __import__("model")
    make = getattr(module, settings["class_name"])
    submission = make(submission_folder) if settings["constructor"] == "path" else make()
    if settings["input"] == "tensorflow":
        import tensorflow

        X = tensorflow.constant(X)
    labels = np.asarray(getattr(submission, settings.get("method", "predict"))(X))
    np.save(os.path.join(output_folder, "predictions.npy"), labels, allow_pickle=False)
    with open(os.path.join(output_folder, "metadata.json"), "w", encoding="utf-8") as file:
        json.dump({"seconds": time.time() - start, "rows": len(labels)}, file)
    print(f"{len(labels):,} images in {time.time() - start:.1f} s")


if __name__ == "__main__":
    main(*sys.argv[1:5])
