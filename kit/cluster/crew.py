"""The workers of one run: started when they are first needed, kept from stage to stage, as starting takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from kit.cluster.unit import Backend
from kit.config import ContestConfig, RecipeConfig
from kit.data.prepared import Prepared
from kit.workspace import Workspace


class Crew:
    """Places for fits on this machine; to be closed."""

    def __init__(self) -> None:
        self._backend: Backend | None = None

    def backend(
        self, contest: ContestConfig, prepared: Prepared, recipes: Sequence[RecipeConfig], workspace: Workspace
    ) -> Backend:
        """What runs the fits of `recipes`: of the first call, whatever later ones ask for."""
        if self._backend is None:
            from kit.cluster.devices import find_devices  # torch, which a run that is there already does not need
            from kit.cluster.inline import InlineBackend
            from kit.cluster.local import LocalBackend
            from kit.cluster.places import cpu_places
            from kit.train.device import pick_device

            on_gpu = pick_device().type != "cpu"
            devices = find_devices() if on_gpu else (cpu_places(contest, prepared, recipes, workspace, many=True),)
            if sum(device.places for device in devices) > 1:
                self._backend = LocalBackend(devices, workspace.cache / "workers")
            else:
                self._backend = InlineBackend(devices[0])
        return self._backend

    def close(self) -> None:
        """Ends the workers."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
