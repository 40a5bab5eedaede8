#!/usr/bin/env bash
# safetensors 0.8.0: `safetensors.numpy.save` writes arrays that are not C-contiguous in the order of their memory, without a word.
#
# A transposed, Fortran-ordered or strided array comes back with its own shape and with its values in other places: 0.4.0 copied such arrays first.
# The torch half of the package refuses them ("You are trying to save a non contiguous tensor"); the numpy half says nothing, and
# weights taken over from TensorFlow or Keras are usually transposed on the way.
# The kit: weights go through torch, contiguous (kit/train/member.py, kit/packaging/).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat > "$folder/look.py" <<'PYTHON'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save

print("safetensors", safetensors.__version__)
kernel = np.arange(6, dtype=np.float32).reshape(2, 3)
given = {
    "contiguous": kernel,
    "transposed": kernel.T,
    "Fortran order": np.asfortranarray(kernel),
    "every second column": np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::2],
}
same = {}
for name, array in given.items():
    back = load(save({"kernel": array}))["kernel"]
    same[name] = np.array_equal(back, array)
    print(f"{name:<20} {array.tolist()} -> {back.tolist()}")
    assert back.shape == array.shape
assert same.pop("contiguous")
assert set(same.values()) == {sys.argv[1] == "right"}, same
PYTHON
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
"$folder/venv/bin/python" "$folder/look.py" wrong
"$folder/venv/bin/pip" install --quiet safetensors==0.4.0
"$folder/venv/bin/python" "$folder/look.py" right
