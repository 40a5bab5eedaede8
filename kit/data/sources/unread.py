"""Files that contests hand out and the kit does not read: what to make of them."""

from __future__ import annotations

from collections.abc import Iterable

UNPACK = "unpack it first, and give the folder"
ARRAYS = 'numpy.savez("train.npz", images=..., labels=...) with the images along the first axis'
SCRIPT = f"load it in a script of your own, since a pickle may run code, and save {ARRAYS}"
VOLUME = "save the slices as PNG, 16 bits where it has more than 8"

WAYS = {
    **dict.fromkeys((".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".zip"), UNPACK),
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth", ".p", ".joblib"), SCRIPT),
    **dict.fromkeys((".nii", ".nrrd", ".mha", ".mhd"), VOLUME),
    **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".scn"), "cut the slide into tiles, and save these as PNG"),
    **dict.fromkeys((".heic", ".heif"), "convert it to PNG, such as with the package pillow-heif"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV"),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm"), "save the frames as images, a folder a class"),
    **dict.fromkeys((".wav", ".mp3", ".ogg", ".flac"), "these are sounds: save their spectrograms as images"),
    ".tfrecord": "read it with tf.data.TFRecordDataset, and save each image under a folder of its class",
    ".mdb": "this is LMDB: read it with the package lmdb, and save each image under a folder of its class",
    ".mat": f"read it with scipy.io.loadmat (h5py from version 7.3 on), and save {ARRAYS}",
    ".dcm": "this is DICOM: convert it to PNG of 16 bits, such as with the package pydicom",
    ".rec": "unpack it with mxnet's im2rec, and give the folder",
    ".beton": f"read it with the package ffcv, and save {ARRAYS}",
    ".xml": "these are boxes (detection): write a table of image and label, where each image has one",
    ".json": "where it holds the labels, give it as the data",
    ".csv": "where it holds the labels, unpack it, and give it as the data",
    ".npy": f"where each holds an image, or those of a class, stack them and save {ARRAYS}",
}
"""Suffix -> what to do."""
WAYS |= {".tfrec": WAYS[".tfrecord"], ".dicom": WAYS[".dcm"], ".lmdb": WAYS[".mdb"], ".npz": WAYS[".npy"]}


def way_out(suffixes: Iterable[str]) -> str:
    """What to do with files of these suffixes, the first that is known: " (.mat: read it with ...)"; else empty."""
    known = next((suffix for suffix in map(str.lower, suffixes) if suffix in WAYS), "")
    return f" ({known}: {WAYS[known]})" if known else ""
