"""Light thumbnails for the gallery, each with a twin for dark pages."""

import re
from functools import cache
from pathlib import Path

from docutils import nodes
from gallery_figures import dark_twin
from PIL import Image
from sphinx.transforms import SphinxTransform

SIZE = (400, 280)
THUMBNAIL = re.compile(r"(.*/images/)thumb/sphx_glr_(\w+)_thumb\.webp")


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
            figure = self.source(f"{directory}sphx_glr_{page}_001.webp")
            if not dark_twin(figure).exists():
                image["classes"].append("dark-light")
                continue
            twin = image.deepcopy()
            twin["uri"] = str(dark_twin(Path(image["uri"])))
            shrink(figure, self.source(image["uri"]))
            shrink(dark_twin(figure), self.source(twin["uri"]))
            image["classes"].append("only-light")
            twin["classes"].append("only-dark")
            image["loading"] = twin["loading"] = "lazy"
            image.parent.insert(image.parent.index(image) + 1, twin)

    def source(self, uri):
        return Path(self.env.srcdir, uri.lstrip("/"))


@cache  # a page's thumbnail is on several pages
def shrink(figure, thumbnail):
    """Write a small image: 64 colours weigh a third of what all of them do."""
    image = Image.open(figure).convert("RGBA")
    image.thumbnail(SIZE, reducing_gap=2)
    palette = image.quantize(64, Image.Quantize.FASTOCTREE).convert("RGBA")
    palette.save(thumbnail, "WEBP", lossless=True)


def setup(app):
    app.add_transform(TwinThumbnails)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
