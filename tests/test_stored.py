"""Results that are stored come from the scripts that are here."""

import hashlib
import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent


def test_resnet56_was_made_by_its_script():
    script = ROOT / "docs" / "_stored" / "resnet56.py"
    with np.load(ROOT / "autodiff_guide" / "data" / "resnet56.npz") as file:
        story = json.loads(str(file["story"]))
        values = file["with"].tobytes() + file["without"].tobytes()
    assert story["script"] == hashlib.sha256(script.read_bytes()).hexdigest()
    assert story["values"] == hashlib.sha256(values).hexdigest()
    assert (story["depth"], story["seed"]) == (56, 0)
