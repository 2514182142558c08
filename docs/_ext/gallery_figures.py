"""Sphinx-Gallery's figures, saved once for light pages and once for dark pages."""

from pathlib import Path

import ink
import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.animation import Animation
from sphinx.util import logging

RC = Path(__file__).parent.parent / "matplotlibrc"
IMAGE = """
.. image:: /{path}
   :alt: {alt}
   :class: guide-figure {theme}
   :width: {width:.0f}px
   :loading: lazy
"""
RAW = """
.. container:: sphx-glr-animation

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
    """Save the open figures and return the reStructuredText that shows them."""
    values = block_vars["example_globals"].values()
    animations = {v._fig: v for v in values if isinstance(v, Animation)}
    shown = []
    for figure in map(plt.figure, plt.get_fignums()):
        path = Path(next(block_vars["image_path_iterator"]))
        try:
            ink.alt(figure)
        except ValueError as error:
            logger.warning("%s: %s", block_vars["src_file"], error, type="gallery")
            figure.set_label("A figure without a label")
        if figure in animations:
            shown.append(animation_rst(animations[figure], path))
        else:
            shown.append(twins_rst(figure, path, gallery_conf["src_dir"]))
    plt.close("all")
    return "".join(shown)


def twins_rst(figure, path, source_dir):
    alt = ink.alt(figure)
    width = figure.get_size_inches()[0] * ink.PIXELS_PER_INCH
    rst = ""
    for image, theme, file in zip(
        ink.png_twins(figure),
        ("only-light", "only-dark"),
        (path, dark_twin(path)),
        strict=True,
    ):
        file.write_bytes(image)
        rst += IMAGE.format(
            path=file.relative_to(source_dir).as_posix(),
            alt=alt,
            theme=theme,
            width=width,
        )
    return rst


def animation_rst(animation, path):
    """Show the animation; its last frame, on white, is left for the thumbnail."""
    html = ink.animation_html(animation)
    animation._fig.savefig(path, facecolor="white")
    return RAW.format(html=html.replace("\n", "\n      "))


def dark_twin(path):
    return path.with_name(f"{path.stem}_dark{path.suffix}")
