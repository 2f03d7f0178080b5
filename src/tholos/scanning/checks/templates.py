"""Chat templates: Jinja that a program renders with a model's words. Parsed here, never rendered."""

from __future__ import annotations

import re
from typing import Any, Final

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment, is_internal_attribute

from tholos.scanning.findings import Severity
from tholos.scanning.inspection import Inspection, printable

_MAX_TEMPLATE: Final = 1 << 20
_NEXT: Final = "Do not let any program render this template; take the template from the model's original author."
# transformers' own tag, which marks what the assistant says; it holds a block and means nothing else.
_GENERATION = re.compile(r"\{%[-+]?\s*(?:end)?generation\s*[-+]?%\}")
_INSIDE = re.compile(r"__\w+__|\b(?:popen|subprocess|importlib|builtins|os\.system|eval|exec)\b")
_CAUTIOUS = SandboxedEnvironment(extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do"])


def check_template(found: Inspection, template: str, where: str) -> None:
    """Looks at every attribute, item, filter and tag of a template."""
    if len(template) > _MAX_TEMPLATE:
        found.find("template.large", Severity.SUSPICIOUS, "The chat template is larger than 1 MiB.", _NEXT, where)
        return
    try:
        tree = _CAUTIOUS.parse(_GENERATION.sub("", template))
    except (TemplateSyntaxError, RecursionError) as problem:
        line = getattr(problem, "lineno", None)
        message = f"The chat template cannot be parsed: {printable(str(problem), 120)}"
        position = f"{where}, line {line}" if where and line else where
        found.find("template.broken", Severity.SUSPICIOUS, message, "Correct the template.", position)
        return
    try:
        for node in tree.find_all(nodes.Node):
            _check(found, node, where)
    except RecursionError:
        message = "The chat template is nested deeper than any that people write."
        found.find("template.deep", Severity.SUSPICIOUS, message, _NEXT, where)


def _check(found: Inspection, node: Any, where: str) -> None:
    position = f"{where}, line {node.lineno}" if where else f"line {node.lineno}"

    def unsafe(message: str) -> None:
        found.find("template.escape", Severity.UNSAFE, message, _NEXT, position)

    match node:
        case nodes.Getattr(attr=name) if _is_unsafe(name):
            unsafe(f"The chat template reaches for {printable(name, 60)}, by which it leaves its sandbox.")
        case nodes.Getitem(arg=nodes.Const(value=str(name))) if _is_unsafe(name):
            unsafe(f"The chat template reaches for {printable(name, 60)}, by which it leaves its sandbox.")
        case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
            unsafe("The chat template takes in other files of the machine that renders it.")
        case nodes.Filter(name="attr"):
            argument = node.args[0] if node.args else None
            if not isinstance(argument, nodes.Const) or _is_unsafe(str(argument.value)):
                unsafe("The chat template looks up an attribute by a name that it makes up.")
        case nodes.Const(value=str(text)) if _INSIDE.search(text):
            word = _INSIDE.search(text)
            assert word is not None
            if word[0].startswith("__"):
                unsafe(f"A text of the chat template holds {printable(word[0], 60)}, a name of Python's insides.")
        case nodes.Call(node=nodes.Name(name="range"), args=[*_, nodes.Const(value=int(count))]) if count > 10_000_000:
            message = f"The chat template counts to {count:,}, which keeps whoever renders it busy."
            found.find("template.loop", Severity.SUSPICIOUS, message, _NEXT, position)
        case _:
            pass


def _is_unsafe(name: str) -> bool:
    # Every way out of Jinja's sandbox that is known begins at an underscore or at the inside of a function or frame.
    return (
        name.startswith("_")
        or is_internal_attribute(lambda: None, name)
        or is_internal_attribute(type, name)
        or name in ("gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame", "ag_code", "f_globals", "f_builtins")
    )
