"""The platform's file: what it runs, and its limits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from kit.config.section import Count, Positive, Section


class PlatformConfig(Section):
    """What a platform runs, and its limits."""

    name: str = ""
    title: str = ""
    artefact: Literal["code", "predictions", "notebook"] = "code"
    """What is submitted: a zip with a class, a file of predictions, or a notebook with its weights."""
    runtimes: tuple[Literal["timm", "torch", "onnx", "tensorflow"], ...] = ("timm",)
    """What the networks may run in; of several, packing takes the fastest that agrees."""
    class_name: str = "Model"
    constructor: Literal["", "path"] = ""
    """What the class is called with: nothing, or the folder of the submission."""
    input: Literal["numpy", "tensorflow"] = "numpy"
    output: Literal["labels", "tensor"] = "labels"
    """What `predict` is given and returns: arrays, or a TensorFlow tensor each."""
    submits: Literal["auto", "labels", "probabilities"] = "auto"
    """Labels (N,), or probabilities (N, C) in the order of the classes. auto: a file what the contest's metric takes, a
    class labels."""
    method: str = "predict"
    """The method of the class that is called with the images."""
    weights_folder: str = ""
    """Folder of the zip that holds everything but model.py; "" for a flat zip."""
    marker: str = ""
    """Name of an empty file that must lie in the zip."""
    predictions_file: str = ""
    id_column: str = "id"
    label_column: str = "label"
    label_form: Literal["auto", "index", "name", "one_hot"] = "auto"
    """Form of what is submitted: a label's place, its name, or a column a class. auto: as in the sample, else its
    place; of classes that are numbers, such as 1 to 8, these. The columns and their order are the sample's, where
    there is one."""
    python: str = "3.9"
    """Version of the platform's Python; model.py keeps to its syntax."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Importable packages with their versions ("" for any)."""
    max_mb: Positive | None = None
    max_seconds: Positive | None = None
    max_memory_mb: Positive | None = None
    shm_mb: Positive = 64
    """Size of /dev/shm; Docker's default starves DataLoader workers."""
    threads: Count | None = None
    gpu: bool = False
    """notebook: whether it asks for a GPU."""
    network: bool = False
    """Whether the platform lets a submission reach the network; rehearsals never do."""
    rehearsal_rows: Count = 2000

    @model_validator(mode="after")
    def _known_python(self) -> PlatformConfig:
        if not self.python.startswith("3."):
            raise ValueError(f'python must be "3.x", but got {self.python!r}')
        return self

    @model_validator(mode="after")
    def _names_its_predictions(self) -> PlatformConfig:
        if self.artefact != "code" and not self.predictions_file:
            raise ValueError(f"artefact {self.artefact!r} needs predictions_file, the name of what is submitted")
        return self
