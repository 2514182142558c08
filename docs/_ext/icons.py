"""The theme's icons, from sphinx-design's: a style sheet of 5 kB, no font of 115 kB."""

from pathlib import Path
from urllib.parse import quote

from sphinx_design.icons import get_octicon

OCTICONS = {
    "fa-angle-left": "chevron-left",
    "fa-angle-right": "chevron-right",
    "fa-arrow-up": "arrow-up",
    "fa-bars": "three-bars",
    "fa-chevron-down": "chevron-down",
    "fa-circle-half-stroke": "device-desktop",
    "fa-download": "download",
    "fa-house": "home",
    "fa-list": "list-unordered",
    "fa-magnifying-glass": "search",
    "fa-moon": "moon",
    "fa-outdent": "sidebar-collapse",
    "fa-sun": "sun",
}
SHAPE = """{every} {{
  content: "" !important;
  display: inline-block;
  width: 1em;
  height: 1em;
  vertical-align: -0.125em;
  background: currentColor;
  mask: var(--icon) center / contain no-repeat;
}}
"""


def style_sheet():
    every = ",\n".join(f".{name}::before" for name in OCTICONS)
    lines = [SHAPE.format(every=every)]
    for name, octicon in OCTICONS.items():
        drawing = get_octicon(octicon).replace(
            "<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '
        )
        lines.append(
            f'.{name} {{ --icon: url("data:image/svg+xml,{quote(drawing)}"); }}'
        )
    return "\n".join(lines)


def write(app, error):
    if error is None and app.builder.format == "html":
        path = Path(app.outdir, "_static", "icons.css")
        path.write_text(style_sheet(), encoding="utf-8")


def setup(app):
    app.add_css_file("icons.css")
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
