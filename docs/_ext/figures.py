"""How a figure looks on the page: one inline SVG, for light pages and dark ones.

``docs/matplotlibrc`` draws with two colours that nothing else uses: *ink* for text and
lines, *paper* for what must hide what is below. In the SVG they are the colours of the
page around it. Other colours stay, and what is large and has none but such is embedded
as an image.
"""

import io
import re
from base64 import b64decode, b64encode
from html import escape

from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from PIL import Image

ON_THE_PAGE = {"#20262e": "currentColor", "#fefefe": "var(--pst-color-background)"}
PIXELS_PER_INCH = 100  # on the page; images have twice as many
MOST_VERTICES = 5_000  # of one collection; more become an image


def html(fig, prefix):
    """Return the figure as an SVG element whose ids begin with `prefix`."""
    for collection in fig.findobj(Collection):
        colors = [*collection.get_facecolor(), *collection.get_edgecolor()]
        vertices = sum(len(path.vertices) for path in collection.get_paths())
        fixed = not any(to_hex(color) in ON_THE_PAGE for color in colors)
        collection.set_rasterized(fixed and vertices > MOST_VERTICES)
    file = io.StringIO()
    untold = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    fig.savefig(file, format="svg", dpi=2 * PIXELS_PER_INCH, metadata=untold)
    svg = re.sub(r' d="[^"]+"', hundredths, lighter(file.getvalue()))
    svg = re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    for color, on_the_page in ON_THE_PAGE.items():
        svg = svg.replace(color, on_the_page)
    width = round(fig.get_size_inches()[0] * PIXELS_PER_INCH)
    return (
        f'<svg class="guide-figure" style="width: {width}px" role="img" '
        f'aria-label="{escape(alt(fig))}" {svg.partition("<svg ")[2]}'
    )


def animation_html(animation):
    """Return the animation with buttons to play it; it stands still until asked."""
    player = lighter(animation.to_jshtml(default_mode="once"))
    player = re.sub(r"<link[^>]*>", "", player)  # a font of icons, from another host
    player = player.replace("<img ", f'<img alt="{escape(alt(animation._fig))}" ')
    return player.replace('type="range"', 'type="range" aria-label="Frame"')


def lighter(html):
    """Return `html` with its images as WebP, a fraction of their weight as PNG."""
    return re.sub(r"data:image/png;base64,([^\"]+)", webp, html)


def hundredths(match):
    """Return the path of a drawing without what is finer than a hundredth."""
    return re.sub(r"(\.\d\d)\d+", r"\1", match[0])


def webp(match):
    """Return an image in 256 colours or as a photograph, whichever is lighter."""
    image = Image.open(io.BytesIO(b64decode(match[1]))).convert("RGBA")
    drawing, photograph = io.BytesIO(), io.BytesIO()
    palette = image.quantize(256, Image.Quantize.FASTOCTREE).convert("RGBA")
    palette.save(drawing, "WEBP", lossless=True)
    image.save(photograph, "WEBP", quality=85)
    lightest = min(drawing.getvalue(), photograph.getvalue(), key=len)
    return f"data:image/webp;base64,{b64encode(lightest).decode()}"


def alt(fig):
    """Return the figure's label, which the site reads out in place of the picture."""
    label = " ".join(fig.get_label().split())
    if not label:
        raise ValueError(
            "figure: expected a label, which becomes its alternative text, got none; "
            'say in one sentence what it shows: fig.set_label("…")'
        )
    return label
