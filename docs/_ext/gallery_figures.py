"""What Sphinx-Gallery does with a script's figures, and how each script starts."""

from pathlib import Path

import figures
import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.animation import Animation
from sphinx.util import logging

RC = Path(__file__).parent.parent / "matplotlibrc"
RAW = """
.. raw:: html

   {html}
"""

logger = logging.getLogger(__name__)


def reset(gallery_conf, fname):
    """Give each script the same start: the site's figures, torch's defaults, a seed."""
    import torch  # not before a script runs: an unchanged gallery needs no torch

    mpl.rc_file(RC)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


def scraper(block, block_vars, gallery_conf):
    """Return the reStructuredText that shows the open figures.

    Each is saved once more, as an image: the thumbnail is made from the first.
    """
    values = block_vars["example_globals"].values()
    animations = {v._fig: v for v in values if isinstance(v, Animation)}
    shown = []
    for figure in map(plt.figure, plt.get_fignums()):
        path = Path(next(block_vars["image_path_iterator"])).with_suffix(".webp")
        if not figure.get_label():
            logger.warning("a figure has no label", location=block_vars["src_file"])
            figure.set_label("A figure without a label")
        if figure in animations:
            html = figures.animation_html(animations[figure])
        else:
            html = figures.html(figure, path.stem)
        shown.append(RAW.format(html=html.replace("\n", "\n   ")))
        figure.savefig(path)
    plt.close("all")
    return "".join(shown)
