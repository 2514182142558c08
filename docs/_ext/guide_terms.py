"""The terms of the guide: the glossary, the table of the index, links at first use."""

from chapters import TERMS, Terms, chapters, introductions
from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

NO_LINKS = (
    nodes.FixedTextElement,
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.reference,
    nodes.rubric,
    nodes.title,
    addnodes.pending_xref,
)


def glossary():
    """Return every term with its Chinese name, its meaning and its chapter."""
    introduced, lines = introductions(chapters()), ["```{glossary}", ":sorted:"]
    for entry in Terms().values():
        meaning = f'<span lang="zh">{entry.zh}</span> {entry.meaning}'
        if chapter := introduced.get(entry.term):
            meaning += f" *Introduced in* {{doc}}`{chapter.name}`."
        lines += ["", entry.term, f"  {meaning}"]
    return "\n".join([*lines, "```"])


def used(chapter, introduced, terms):
    """Return the terms that a chapter uses and does not introduce, as they come."""
    found = (
        entry.term for entry, _ in terms.occurrences(chapter.prose) if entry.strict
    )
    return [
        term
        for term in dict.fromkeys(found)
        if introduced.get(term) not in (None, chapter)
    ]


def table():
    """Return what each chapter introduces, and what it uses of the earlier ones."""
    read, terms = chapters(), Terms()
    introduced = introductions(read)
    lines = ["| Chapter | Introduced here | Used here |", "|---|---|---|"]
    for chapter in read:
        new = ", ".join(f"{{term}}`{term}`" for term in chapter.introduces)
        known = ", ".join(used(chapter, introduced, terms))
        lines.append(f"| {{doc}}`{chapter.name}` | {new} | {known} |")
    return "\n".join(lines)


def write_page(app, page, source):
    """Write into the glossary and the index what is made of terms and chapters."""
    made = {"guide/glossary": glossary, "guide/index": table}
    if page in made:
        source[0] = source[0].replace("% terms", made[page]())
        for path in (TERMS, *(chapter.path for chapter in chapters())):
            app.env.note_dependency(path)


def link(text, entry):
    """Return a reference to a term's place in the glossary."""
    shown = nodes.inline(text, text, classes=["std-term"])
    return addnodes.pending_xref(
        text,
        shown,
        refdomain="std",
        reftype="term",
        reftarget=entry.term,
        refexplicit=True,
        refwarn=True,
    )


class LinkTerms(SphinxTransform):
    """Link each term at its first use in a chapter, or where it is introduced."""

    default_priority = 400

    def apply(self, **kwargs):
        here = {f"guide/{chapter.name}": chapter for chapter in chapters()}
        if self.env.docname not in here:
            return
        self.env.note_dependency(TERMS)
        terms, linked = Terms(), set()
        introduced = set(here[self.env.docname].introduces)
        for node in list(self.document.findall(nodes.emphasis)):
            match = terms.pattern.fullmatch(node.astext())
            entry = match and next(terms.occurrences(node.astext()))[0]
            if entry and entry.term in introduced - linked:
                linked.add(entry.term)
                node[:] = [self.place(link(node.astext(), entry))]
        for node in list(self.document.findall(nodes.Text)):
            self.link_first(node, terms, linked)

    def link_first(self, node, terms, linked):
        """Replace a text by the same text with links to what is new in it."""
        parent = node.parent
        while parent is not None:
            if isinstance(parent, NO_LINKS):
                return
            parent = parent.parent
        text, end, parts = node.astext(), 0, []
        for entry, match in terms.occurrences(text):
            if entry.strict and entry.term not in linked:
                linked.add(entry.term)
                parts += [nodes.Text(text[end : match.start()])]
                parts += [self.place(link(match[0], entry))]
                end = match.end()
        if parts:
            node.parent.replace(node, [*parts, nodes.Text(text[end:])])

    def place(self, reference):
        reference["refdoc"] = self.env.docname
        return reference


def setup(app):
    app.connect("source-read", write_page)
    app.add_transform(LinkTerms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
