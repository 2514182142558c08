"""A thumbnail for dark pages beside each of Sphinx-Gallery's thumbnails."""

import re
from pathlib import Path

from docutils import nodes
from gallery_figures import dark_twin
from sphinx.transforms import SphinxTransform
from sphinx_gallery.utils import scale_image

THUMBNAIL = re.compile(r"(.*/images/)thumb/sphx_glr_(\w+)_thumb\.png")


class TwinThumbnails(SphinxTransform):
    """Show the thumbnail on light pages only, and its twin on dark ones.

    A page whose figure has no twin, an animation, keeps its one thumbnail.
    """

    default_priority = 400

    def apply(self):
        for image in list(self.document.findall(nodes.image)):
            match = THUMBNAIL.fullmatch(image["uri"])
            if not match:
                continue
            directory, page = match.groups()
            figure = self.source(f"{directory}sphx_glr_{page}_001_dark.png")
            if figure.exists():
                thumbnail = dark_twin(self.source(image["uri"]))
                scale_image(
                    figure,
                    thumbnail,
                    *self.config.sphinx_gallery_conf["thumbnail_size"],
                )
                twin = image.deepcopy()
                twin["uri"] = str(dark_twin(Path(image["uri"])))
                image["classes"].append("only-light")
                twin["classes"].append("only-dark")
                image.parent.insert(image.parent.index(image) + 1, twin)
            else:
                image["classes"].append("dark-light")

    def source(self, uri):
        return Path(self.env.srcdir, uri.lstrip("/"))


def setup(app):
    app.add_transform(TwinThumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
