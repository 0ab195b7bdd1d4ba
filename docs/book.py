#!/usr/bin/env python3
"""The book: what it includes from the examples, its links, and its pages as HTML.

    book.py check            fails when an included part or the manual page is stale, a link leads nowhere, or a page is in
                             no chapter
    book.py update           brings the included parts and the manual page up to date
    book.py build FOLDER     writes the book and the reference of the headers as HTML (needs mkdocs and doxygen)
    book.py reference FOLDER writes the reference alone; fails when a public member is not described
    book.py file NAME        prints the file NAME that docs/start.md tells its reader to save

A part of another file stands in a page between two comments, and `update` writes it there:

    <!-- include examples/recipes/request.cpp serve -->        from the line with [serve] to that with [end]
    <!-- include examples/start/ask.py as ask.py -->           the whole file
    <!-- end -->
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LANGUAGES = {".cpp": "cpp", ".hpp": "cpp", ".c": "c", ".h": "c", ".py": "python", ".toml": "toml", ".txt": "cmake"}  # of the fences

INCLUDES = ("host/include/keyway", "sim/include/keyway/sim")  # the public headers, as in Doxyfile
INCLUDE = re.compile(r"^<!-- include (\S+)(?: (?!as )(\S+))?(?: as (\S+))? -->\n(.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def pages() -> list[pathlib.Path]:
    return sorted(DOCS.rglob("*.md"))


# ---- parts that are included ----


def part(source: str, section: str | None) -> str:
    lines = (ROOT / source).read_text(encoding="utf-8").splitlines()
    if section is None:
        return "\n".join(lines)
    begins = [number for number, line in enumerate(lines) if f"[{section}]" in line and line.lstrip()[:1] in "/#"]
    if len(begins) != 1:
        raise SystemExit(f"{source}: there is not one section [{section}] but {len(begins)}")
    ends = [number for number, line in enumerate(lines) if "[end]" in line and number > begins[0]]
    if not ends:
        raise SystemExit(f"{source}: section [{section}] has no [end]")
    return "\n".join(lines[begins[0] + 1 : ends[0]]).strip("\n")


def with_parts(text: str) -> str:
    def replaced(match: re.Match) -> str:
        source, section, name, _ = match.groups()
        head = match[0].split("\n", 1)[0]
        return f"{head}\n```{LANGUAGES[pathlib.Path(source).suffix]}\n{part(source, section)}\n```\n<!-- end -->"

    return INCLUDE.sub(replaced, text)


def update(check: bool) -> list[str]:
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        wanted = with_parts(text)
        if re.sub(r"`[^`\n]*`", "", text).count("<!-- include ") != len(INCLUDE.findall(text)):
            stale.append(f"{page.relative_to(ROOT)}: an include without an end, or written wrongly")
        if wanted != text:
            if check:
                stale.append(f"{page.relative_to(ROOT)}: what it includes has changed: docs/book.py update")
            else:
                page.write_text(wanted, encoding="utf-8")
    return stale


# ---- links ----


def slug(heading: str) -> str:
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def anchors(page: pathlib.Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        name = slug(heading)
        found[name] = found.get(name, 0) + 1
    names = set(found)
    for name, count in found.items():
        names.update(f"{name}-{number}" for number in range(1, count))
    return names | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def broken_links(listed: list[pathlib.Path]) -> list[str]:
    broken = []
    for page in listed:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        text = re.sub(r"`[^`\n]*`", "", text)
        for _, _, target in LINK.findall(text):
            if re.match(r"[a-z]+:", target):
                continue  # another site; not asked here
            path, _, anchor = target.partition("#")
            place = (page.parent / path).resolve() if path else page
            if not place.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target} leads nowhere")
            elif anchor and place.suffix == ".md" and anchor not in anchors(place):
                broken.append(f"{page.relative_to(ROOT)}: {target}: there is no such heading")
    return broken


def chapters() -> list[str]:
    """The pages that mkdocs.yml lists."""
    return re.findall(r":\s*([\w./-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)


def check() -> list[str]:
    faults = update(check=True)
    faults += broken_links([*pages(), ROOT / "README.md", *sorted(ROOT.glob("examples/**/README.md"))])
    listed = chapters()
    there = {str(page.relative_to(DOCS)) for page in pages()}
    faults += [f"mkdocs.yml: there is no {name}" for name in listed if name not in there]
    # The decisions have a list of their own, in their README.
    faults += [f"docs/{name}: in no chapter of mkdocs.yml" for name in sorted(there - set(listed))
               if not name.startswith("decisions/")]
    for made in ("pictures/draw.py", "manual_page.py"):
        done = subprocess.run([sys.executable, DOCS / made, "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        if done.returncode != 0:
            faults.append(done.stdout.strip())
    return faults


# ---- HTML ----


def as_page(text: str, page: pathlib.Path) -> str:
    """A page as the book has it: links out of docs/ lead to the reference, or are words."""
    headers = [header for folder in INCLUDES for header in sorted((ROOT / folder).iterdir())]

    def replaced(match: re.Match) -> str:
        mark, words, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        place = (page.parent / target.partition("#")[0]).resolve()
        if place.is_relative_to(DOCS):
            return match[0]
        if place in headers:
            # Doxygen's name of the page of a file: with its folders if there is another file of this name.
            alone = sum(header.name == place.name for header in headers) == 1
            name = place.name if alone else str(place.relative_to(ROOT))
            name = name.replace("_", "__").replace(".", "_8").replace("/", "_2")
            up = "../" * (len(page.relative_to(DOCS).parts) - 1)
            return f'<a href="{up}reference/{name}.html">{words}</a>'
        return f"{words} (`{place.relative_to(ROOT)}`)"

    # Code stays as it is.
    pieces = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    pieces = [piece if piece.startswith("```") else LINK.sub(replaced, piece) for piece in pieces]
    text = "".join(pieces).replace("```console install\n", "```console\n")
    return re.sub(r"^<!-- (include .*|end) -->\n", "", text, flags=re.MULTILINE)


def reference(folder: pathlib.Path) -> int:
    """Doxygen's pages. It minds everything that is not described but the values of an enumeration, so that is seen to here."""
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(["doxygen", "docs/Doxyfile"], cwd=ROOT, check=False,
                          env={**os.environ, "KEYWAY_REFERENCE": str(folder)})
    bare = set()
    for path in (folder / "xml").glob("*.xml"):
        for enum in xml.etree.ElementTree.parse(path).iterfind(".//memberdef[@kind='enum']"):
            for value in enum.iterfind("enumvalue"):
                if not any("".join(value.find(text).itertext()).strip() for text in ("briefdescription", "detaileddescription")):
                    place = enum.find("location").get("file")
                    bare.add(f"{place}: {enum.findtext('name')}::{value.findtext('name')} is not documented.")
    shutil.rmtree(folder / "xml", ignore_errors=True)
    print(*sorted(bare), sep="\n", end="\n" if bare else "", file=sys.stderr)
    return made.returncode or (1 if bare else 0)


def build(folder: pathlib.Path) -> int:
    source, site = folder / "pages", folder / "site"
    for old in (source, site):
        shutil.rmtree(old, ignore_errors=True)
    for path in sorted(DOCS.rglob("*")):
        place = source / path.relative_to(DOCS)
        if path.suffix == ".md":
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(as_page(path.read_text(encoding="utf-8"), path), encoding="utf-8")
        elif path.suffix == ".svg":
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    # The names of the pages in the book's folders are relative to the file of settings.
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    (folder / "mkdocs.yml").write_text(settings.replace("docs_dir: docs", f"docs_dir: {source}"), encoding="utf-8")
    made = subprocess.run(["mkdocs", "build", "--strict", "--quiet", "--config-file", folder / "mkdocs.yml", "--site-dir", site],
                          check=False)
    if made.returncode != 0:
        return 1
    if reference(site / "reference") != 0:
        return 1
    missing = set()
    for page in site.rglob("*.html"):
        if "reference" not in page.relative_to(site).parts[:1]:
            for target in re.findall(r'href="([^"#:]*reference/[^"#]*)"', page.read_text(encoding="utf-8")):
                if not (page.parent / target).resolve().exists():
                    missing.add(f"{page.relative_to(site)}: {target} leads nowhere")
    print(*sorted(missing), sep="\n", end="\n" if missing else "")
    if not missing:
        print(f"{site}/index.html")
    return 1 if missing else 0


def saved_file(name: str) -> int:
    for source, section, saved_as, _ in INCLUDE.findall((DOCS / "start.md").read_text(encoding="utf-8")):
        if saved_as == name:
            print(part(source, section or None))
            return 0
    print(f"docs/start.md has no file {name}", file=sys.stderr)
    return 1


def main() -> int:
    words = sys.argv[1:]
    if words == ["check"]:
        faults = check()
        print(*faults, sep="\n", end="\n" if faults else "")
        return 1 if faults else 0
    if words == ["update"]:
        faults = update(check=False)
        if not faults:
            subprocess.run([sys.executable, DOCS / "manual_page.py"], check=True)
        print(*faults, sep="\n", end="\n" if faults else "")
        return 1 if faults else 0
    if len(words) == 2 and words[0] == "build":
        folder = pathlib.Path(words[1]).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return build(folder)
    if len(words) == 2 and words[0] == "reference":
        return reference(pathlib.Path(words[1]).resolve())
    if len(words) == 2 and words[0] == "file":
        return saved_file(words[1])
    print(__doc__.strip(), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
