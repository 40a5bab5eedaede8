"""Have a submission predict images that come in batches: `python batches.py INPUT OUTPUT PROGRAM SUBMISSION`.

For each INPUT/00000.npy, 00001.npy, ... (n, S, S, 3) uint8, the prediction goes to OUTPUT/00000.npy: probabilities
where the submission gives them, else labels. INPUT/end, an empty file, ends it. settings.json in PROGRAM
names the class.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np


def main(input_folder: str, output_folder: str, program_folder: str, submission_folder: str) -> None:
    """Predict batches until there are no more."""
    with open(os.path.join(program_folder, "settings.json"), encoding="utf-8") as file:
        settings = json.load(file)
    sys.path.insert(0, submission_folder)
    make = getattr(__import__("model"), settings["class_name"])
    submission = make(submission_folder) if settings["constructor"] == "path" else make()
    number = 0
    while True:
        path = os.path.join(input_folder, "%05d.npy" % number)
        if not os.path.isfile(path):
            if os.path.isfile(os.path.join(input_folder, "end")):
                return
            time.sleep(0.01)
            continue
        X = np.load(path, allow_pickle=False)
        if hasattr(submission, "predict_proba"):
            predicted = submission.predict_proba(X)
        elif settings["input"] == "tensorflow":
            import tensorflow

            predicted = submission.predict(tensorflow.constant(X))
        else:
            predicted = submission.predict(X)
        part = os.path.join(output_folder, "part.npy")
        np.save(part, np.asarray(predicted), allow_pickle=False)
        os.replace(part, os.path.join(output_folder, "%05d.npy" % number))
        number += 1


if __name__ == "__main__":
    main(*sys.argv[1:5])
