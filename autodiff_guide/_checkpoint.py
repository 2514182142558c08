"""Rows of a slice in a file, so that an interrupted run resumes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from torch import Tensor

from autodiff_guide._slices import Job, Row

_UNREADABLE = (
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    zipfile.BadZipFile,
    zlib.error,
)


class Checkpoint:
    """The rows done, in memory and in an ``.npz`` file.

    The file tells of which slice it is: by digests of all that determines it, and by
    the loss at its centre, which differs where module or loss are other code.
    """

    def __init__(self, path: str | os.PathLike[str], job: Job, centre: float) -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise ValueError(
                f"checkpoint: expected a path in a folder that exists, got {path}; "
                "make the folder first"
            )
        self.width = len(job.coordinates) if len(job.directions) == 2 else 1
        self.slice = {
            "parameters": _digest(job.module.parameters()),
            "buffers": _digest(job.module.buffers()),
            "directions": _digest([job.directions]),
            "data": _digest(part for batch in job.batches for part in batch),
            "points": _digest([torch.tensor(job.coordinates, dtype=torch.float64)]),
            "mode": job.mode,
            "loss at the centre": centre,
        }
        self.rows: dict[int, Row] = self._read() if self.path.exists() else {}

    def save(self, place: int, row: Row) -> None:
        """Add a row to the file, which is complete at every moment."""
        self.rows[place] = row
        places, rows = list(self.rows), np.stack(list(self.rows.values()))
        folder, name = self.path.parent, None
        try:
            with NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
                name = file.name
                np.savez(file, slice=json.dumps(self.slice), places=places, rows=rows)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
        except BaseException:
            if name is not None:
                Path(name).unlink(missing_ok=True)
            raise

    def _read(self) -> dict[int, Row]:
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                found = json.loads(str(file["slice"]))
                places, rows = file["places"].tolist(), file["rows"]
            changed = [
                name
                for name, mine in self.slice.items()
                if not _same(found[name], mine)
            ]
            if not changed and rows.shape != (len(places), self.width):
                raise ValueError(f"rows of shape {rows.shape}")
        except _UNREADABLE as error:
            raise ValueError(
                f"checkpoint: expected a file written by slice_loss, got a damaged or "
                f"foreign one, {self.path} ({error}); move it away to begin anew"
            ) from error
        if changed:
            raise ValueError(
                f"checkpoint: expected the file of this slice, got that of another, "
                f"{self.path}: not the same {', '.join(changed)}; give another path, "
                "or move it away to begin anew"
            )
        return dict(zip(places, rows, strict=True))


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        # Another machine rounds in another way.
        return math.isclose(one, other, rel_tol=1e-3) or one != one != other
    return one == other


def _digest(values: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for value in values:
        if isinstance(value, Tensor):
            digest.update(f"{value.dtype} {tuple(value.shape)}".encode())
            whole = value.detach().cpu().reshape(-1).contiguous()
            digest.update(whole.view(torch.uint8).numpy().tobytes())
        else:
            digest.update(pickle.dumps(value))
    return digest.hexdigest()
