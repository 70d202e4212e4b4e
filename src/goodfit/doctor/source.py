"""A user's source file, read so that it can be edited by position: whatever is not meant to change stays byte for byte.

Nothing is formatted anew. A `Source` knows where each part of the syntax tree stands in the text, what the names of its imports mean, and how a
statement is put before or after another or taken away. The edits themselves are made by `source_calls`, `source_loops`, `source_losses` and
`source_networks`: each gives an `Edit`, or None where it cannot be sure what to write.
"""

from __future__ import annotations

import ast
import difflib
import io
import itertools
import re
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.doctor.program import Place

_LINE_END = re.compile("\r\n|\r|\n")  # those that Python's parser counts; str.splitlines counts more
_CONTEXT = 2  # unchanged lines around a change in a diff: enough to find it, few enough to read it


@dataclass(frozen=True, slots=True)
class Change:
    """The characters from `start` to before `end` become `text`. Characters are counted from the file's start, without a byte order mark."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Edit:
    """A change to one file, ready to be shown and to be made.

    line: 1-based, the first line that changes. before, after: the lines that change, without those between them. diff: unified.
    changes: the same by position, for `combined`.
    """

    file: str
    line: int
    before: str
    after: str
    diff: str
    changes: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As `Finding.edit` holds it."""
        return {
            "file": self.file, "line": self.line, "before": self.before, "after": self.after, "diff": self.diff,
            "changes": [[change.start, change.end, change.text] for change in self.changes],
        }  # fmt: skip

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Edit:
        changes = tuple(Change(int(start), int(end), str(text)) for start, end, text in document.get("changes", ()))
        return cls(document["file"], document["line"], document["before"], document["after"], document["diff"], changes)


class Source:
    """A file of Python, parsed. Raises OSError, SyntaxError or ValueError (UnicodeDecodeError too) where it cannot be; `read` gives None then."""

    def __init__(self, file: str | Path) -> None:
        self.file = str(file)
        raw = Path(file).read_bytes()
        self.encoding = tokenize.detect_encoding(io.BytesIO(raw).readline)[0]  # utf-8-sig where there is a byte order mark
        self.text = raw.decode(self.encoding)
        self.tree = parsed(self.text)
        self.lines = _LINE_END.split(self.text)
        ends = [match.end() for match in _LINE_END.finditer(self.text)]
        self.starts = [0, *ends]
        first = _LINE_END.search(self.text)
        self.newline = first[0] if first else "\n"
        self._parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.names = _imported(ast.walk(self.tree))
        self._everywhere = _imported(_top(self.tree.body))
        self._stars = [
            node.module or "" for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names)
        ]
        self._stored = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
        self._stored |= {node.arg for node in ast.walk(self.tree) if isinstance(node, ast.arg)}

    @classmethod
    def read(cls, file: str | Path) -> Source | None:
        """The file, or None where it cannot be read or parsed (a notebook's cell, a file that is gone)."""
        try:
            return cls(file)
        except (OSError, SyntaxError, ValueError, RecursionError, LookupError):
            return None

    # Where things stand

    def span(self, node: ast.AST) -> tuple[int, int]:
        """First character of a node, and the one after its last; a decorated definition begins with its first decorator's line."""
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword | ast.arg | ast.alias)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def code(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def _offset(self, line: int, column: int) -> int:
        """The tree counts columns in bytes of UTF-8."""
        written = self.lines[line - 1]
        return self.starts[line - 1] + (column if written.isascii() else len(written.encode()[:column].decode()))

    def line_start(self, offset: int) -> int:
        return max(start for start in self.starts if start <= offset)

    def line_end(self, offset: int) -> int:
        """Before the line's end marks."""
        found = _LINE_END.search(self.text, offset)
        return found.start() if found else len(self.text)

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(node)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a node lies in, the nearest first."""
        while (outer := self._parents.get(node)) is not None:
            yield outer
            node = outer

    def statement_of(self, node: ast.AST) -> ast.stmt | None:
        return node if isinstance(node, ast.stmt) else next((outer for outer in self.above(node) if isinstance(outer, ast.stmt)), None)

    def function_of(self, node: ast.AST) -> ast.AST:
        """The innermost function (or the module) that holds a node."""
        return next((outer for outer in self.above(node) if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef)), self.tree)

    def statements_at(self, line: int) -> list[ast.stmt]:
        """The innermost statements that a line belongs to; several where semicolons part them."""
        covering = [
            node for node in ast.walk(self.tree) if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        outer = {above for node in covering for above in self.above(node)}
        return sorted((node for node in covering if node not in outer), key=self.span)

    def calls_at(self, place: Place) -> list[ast.Call]:
        """Every call that a line takes part in, in the order in which they end: an inner one before the one around it."""
        calls = [node for statement in self.statements_at(place.line) for node in own(statement) if isinstance(node, ast.Call)]
        return sorted(
            (call for call in calls if call.lineno <= place.line <= (call.end_lineno or call.lineno)), key=lambda c: self.span(c)[1]
        )

    # What names mean

    def qualified(self, node: ast.AST) -> str:
        """`torch.nn.MSELoss` of whatever is written for it here; of what is not imported, the dotted name as written; empty where it is no name."""
        written = dotted(node)
        first, dot, rest = written.partition(".")
        if first in self.names:
            return self.names[first] + dot + rest
        if written and not dot and first not in self._stored:
            known = next((f"{module}.{first}" for module in self._stars if _exists(module, first)), None)
            return known or written
        return written

    def spelled(self, name: str, like: ast.AST | None = None) -> tuple[str, tuple[Change, ...]]:
        """How `torch.nn.ReLU` is written in this file, and what must be imported for it.

        like: the name that it stands in for. Where that is `nn.Sigmoid`, so is the new one; else by the shortest import of this file; else with
        `import torch` added.
        """
        module, _, last = name.rpartition(".")
        if isinstance(like, ast.Attribute) and self.qualified(like.value) == module:
            return f"{self.code(like.value)}.{last}", ()
        usable = {alias: meant for alias, meant in self._everywhere.items() if alias not in self._stored}
        fitting = [alias + name.removeprefix(meant) for alias, meant in usable.items() if name == meant or name.startswith(meant + ".")]
        if fitting:
            return min(fitting, key=len), ()
        return name, (self._import(name.partition(".")[0]),)

    def _import(self, module: str) -> Change:
        """`import module` before the first import that may stand below another, else below the docstring."""
        place: ast.stmt | None = None
        for statement in self.tree.body:
            docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if docstring or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
                place = statement
                continue
            start = self.span(statement)[0]
            return Change(start, start, f"import {module}{self.newline}")
        assert place is not None
        end = self.line_end(self.span(place)[1])
        return Change(end, end, f"{self.newline}import {module}")

    # Statements

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements among which one stands."""
        outer = self._parents[statement]
        blocks = [getattr(outer, name, None) for name in ("body", "orelse", "finalbody")]
        return next(block for block in blocks if isinstance(block, list) and statement in block)

    def _indent(self, statement: ast.stmt) -> str | None:
        """What stands before a statement on its line where that is white space, else None."""
        start = self._begin(statement)
        indent = self.text[self.line_start(start) : start]
        return indent if not indent.strip() else None

    def _begin(self, statement: ast.stmt) -> int:
        decorators = getattr(statement, "decorator_list", [])
        return self.text.rindex("@", 0, self.span(decorators[0])[0]) if decorators else self.span(statement)[0]

    def _followed(self, statement: ast.stmt) -> int | None:
        """Where the next statement of the same line begins."""
        end = self.span(statement)[1]
        found = re.compile(r"[ \t\f]*;[ \t\f]*(?=[^\s#])").match(self.text, end)
        return found.end() if found else None

    def before(self, statement: ast.stmt, *codes: str) -> list[Change]:
        """New statements, a line each, in front of a statement; on its line where it does not begin one."""
        start, indent = self._begin(statement), self._indent(statement)
        if indent is None:
            return [Change(start, start, "".join(f"{code}; " for code in codes))]
        return [Change(start, start, "".join(f"{code}{self.newline}{indent}" for code in codes))]

    def after(self, statement: ast.stmt, *codes: str) -> list[Change]:
        """New statements below a statement (below all of a loop); on its line where it shares that with others."""
        indent, end = self._indent(statement), self.span(statement)[1]
        if indent is None or self._followed(statement) is not None:
            return [Change(end, end, "".join(f"; {code}" for code in codes))]
        end = self.line_end(end)
        return [Change(end, end, "".join(f"{self.newline}{indent}{code}" for code in codes))]

    def without(self, statements: Iterable[ast.stmt]) -> list[Change]:
        """Statements taken away with their lines. What would be left without a body goes too; a function is left with `pass`."""
        gone = set(statements)
        for statement in list(gone):
            while all(other in gone for other in self.block(statement)):
                outer = self._parents[statement]
                if (
                    not isinstance(outer, ast.For | ast.With | ast.If)
                    or getattr(outer, "orelse", [])
                    or self.block(statement) is not outer.body
                ):
                    break
                gone -= set(outer.body)
                gone.add(outer)
                statement = outer
        changes = []
        for statement in sorted(gone, key=self.span):
            block = self.block(statement)
            start, end = self._begin(statement), self.span(statement)[1]
            if statement is block[0] and all(other in gone for other in block):
                changes.append(Change(start, end, "pass"))
            else:
                changes.append(self._cut(statement, start, end))
        return changes

    def _cut(self, statement: ast.stmt, start: int, end: int) -> Change:
        following = self._followed(statement)
        if following is not None:
            return Change(start, following, "")
        if self._indent(statement) is None:  # the last of several on a line
            before = self.block(statement)[self.block(statement).index(statement) - 1]
            return Change(self.span(before)[1], end, "")
        stop = self.line_end(end)
        found = _LINE_END.match(self.text, stop)
        return Change(self.line_start(start), found.end() if found else stop, "")

    def line_of(self, statement: ast.stmt) -> str:
        """A statement with the comment behind it, to be put somewhere else."""
        start, end = self.span(statement)
        if self._indent(statement) is None or self._followed(statement) is not None:
            return self.text[start:end]
        return self.text[start : self.line_end(end)].rstrip()

    # The result

    def edit(self, changes: Sequence[Change] | None) -> Edit | None:
        """The changes as an Edit; None where there are none, they contradict each other, or what comes out is no Python."""
        if not changes:
            return None
        text = changed(self.text, changes)
        if text is None or text == self.text:
            return None
        if _is_no_python(text):
            return None
        new = _LINE_END.split(text)
        hunks = [code for code in difflib.SequenceMatcher(None, self.lines, new, autojunk=False).get_opcodes() if code[0] != "equal"]
        name = Path(self.file).name
        diff = difflib.unified_diff(self.lines, new, name, name, n=_CONTEXT, lineterm="")
        return Edit(
            self.file, min(hunk[1] for hunk in hunks) + 1,
            "\n".join(line for _, a, b, _, _ in hunks for line in self.lines[a:b]),
            "\n".join(line for _, _, _, a, b in hunks for line in new[a:b]),
            "\n".join(diff), tuple(sorted(set(changes), key=lambda c: (c.start, c.end))),
        )  # fmt: skip

    def encoded(self, text: str) -> bytes:
        """A text in the encoding of this file, with its byte order mark. Raises UnicodeEncodeError."""
        return text.encode(self.encoding)


def combined(file: str | Path, edits: Sequence[Edit]) -> tuple[bytes, list[Edit]]:
    """The file with edits made, the first ones first, and those that were left out because they touch what another changed.

    Raises what `Source` raises. An edit made for another text than the file holds now is left out too.
    """
    source = Source(file)
    text, left = source.text, []
    kept: list[Change] = []
    for edit in edits:
        changes = edit.changes or _from_diff(source, edit.diff)
        own = source.edit(changes)
        trial = [*kept, *(change for change in changes if change not in kept)]
        result = None if own is None or own.diff != edit.diff else changed(source.text, trial)
        if result is None or _is_no_python(result):
            left.append(edit)
            continue
        text, kept = result, trial
    return source.encoded(text), left


def together(edits: Sequence[Edit | None]) -> Edit | None:
    """Several edits of one file as one; None where one of them could not be made, or they touch the same characters."""
    made = [edit for edit in edits if edit is not None]
    if len(made) < len(edits) or len({edit.file for edit in made}) != 1:
        return None
    source = Source.read(made[0].file)
    return None if source is None else source.edit([change for edit in made for change in edit.changes])


def changed(text: str, changes: Iterable[Change]) -> str | None:
    """The text with all changes made; None where two of them touch the same characters. What is inserted at one place keeps the order given."""
    distinct = list(dict.fromkeys(changes))
    ordered = sorted(distinct, key=lambda change: (change.start, change.end))
    if any(a.end > b.start for a, b in itertools.pairwise(ordered)):
        return None
    pieces, done = [], 0
    for change in ordered:
        pieces += [text[done : change.start], change.text]
        done = change.end
    return "".join([*pieces, text[done:]])


def _from_diff(source: Source, diff: str) -> list[Change]:
    """The changes that a unified diff tells, line by line; none where it is of another text."""
    changes: list[Change] = []
    old = 0  # the line, 0-based, that comes next
    for line in diff.split("\n"):
        if line.startswith(("---", "+++")) and not changes and not old:
            continue
        if found := re.match(r"@@ -(\d+)(?:,(\d+))?", line):
            old = int(found[1]) - (found[2] != "0")
        elif old > len(source.lines):
            return []
        elif line.startswith("+"):
            at = source.starts[old] if old < len(source.starts) else len(source.text)
            changes.append(Change(at, at, line[1:] + source.newline))
        elif line.startswith("-"):
            end = source.starts[old + 1] if old + 1 < len(source.starts) else len(source.text)
            changes.append(Change(source.starts[old], end, ""))
            old += 1
        else:
            old += 1
    return changes


def _is_no_python(text: str) -> bool:
    try:
        parsed(text)
    except (SyntaxError, ValueError, RecursionError):
        return True
    return False


def parsed(text: str | bytes) -> ast.Module:
    """The syntax tree, without the parser's warnings, which are the user's own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def own(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement without those of the statements inside it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt | ast.excepthandler)]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of names and attributes, else an empty string."""
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.AST]:
    """The statements of a module that run when it is imported, those under `if` and `try` too."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.If | ast.Try):
            yield from _top([*statement.body, *statement.orelse])


def _imported(nodes: Iterable[ast.AST]) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*"}
    return found


def _exists(module: str, name: str) -> bool:
    return hasattr(sys.modules.get(module), name)
