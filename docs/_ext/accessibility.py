"""Small repairs of the HTML that the extensions and the theme write."""

REPAIRS = {
    # ARIA 1.3 deprecates the role of a bibliography's entries
    'role="doc-biblioentry"': 'role="listitem"',
    # the visible words of a summary are its name
    '<summary aria-label="Toggle hidden content">': "<summary>",
    # what may scroll can be reached with the keyboard
    '<div class="output_subarea output_html': (
        '<div tabindex="0" class="output_subarea output_html'
    ),
    # a corner of a table heads nothing
    '<th class="head"><p></p></th>': "<td></td>",
}


def repair_body(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    for wrong, right in REPAIRS.items():
        body = body.replace(wrong, right)
    context["body"] = body


def name_toggles(app, pagename, templatename, context, doctree):
    """Name the icons that unfold the navigation at the left."""
    toctree = context["generate_toctree_html"]

    def named_toctree(*arguments, **settings):
        html = str(toctree(*arguments, **settings))
        return html.replace("<summary>", '<summary aria-label="Pages of this section">')

    context["generate_toctree_html"] = named_toctree


def setup(app):
    app.connect("html-page-context", repair_body)
    app.connect("html-page-context", name_toggles, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
