"""Every Python block of the README runs when pasted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

# torch compiles its own forward-mode rules with what it has deprecated.
STRICT = ["-W", "error", "-W", "ignore:`torch.jit.script`:DeprecationWarning"]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1])
def test_block_runs(block, tmp_path):
    run = subprocess.run(
        [sys.executable, *STRICT, "-c", block],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_each_block_is_short_and_the_commands_are_there():
    assert BLOCKS
    for block in BLOCKS:
        lines = [line for line in block.splitlines() if line and "import" not in line]
        assert len(lines) <= 5, block
    assert "tox -e docs" in README
