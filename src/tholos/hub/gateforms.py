"""The form of a gated repo: what its card asks of who wants access, in Hugging Face's words, and what was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from tholos.kit.database import storable
from tholos.kit.errors import InvalidInput

MAX_ANSWER_CHARACTERS: Final = 2000
_MAX_QUESTIONS: Final = 50
_MAX_LABEL: Final = 500
_MAX_OPTIONS: Final = 300
_MAX_TEXT: Final = 10_000

QuestionType = Literal["text", "checkbox", "date", "select"]
_TYPES: Final[Mapping[str, QuestionType]] = {
    "text": "text",
    "country": "text",
    "ip_location": "text",
    "date_picker": "date",
    "checkbox": "checkbox",
    "select": "select",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One field of the form."""

    label: str
    type: QuestionType
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateForm:
    """What is shown to who wants access; texts are empty where the card has none."""

    heading: str
    prompt: str
    """Markdown."""
    button: str
    questions: tuple[Question, ...]


def form_of(metadata: Mapping[str, Any]) -> GateForm:
    """The form that a card describes. What cannot be a question is left out: a broken card asks less."""
    fields = metadata.get("extra_gated_fields")
    questions = [_question(label, spec) for label, spec in fields.items()] if isinstance(fields, Mapping) else []
    return GateForm(
        heading=_text(metadata.get("extra_gated_heading"), _MAX_LABEL),
        prompt=_text(metadata.get("extra_gated_prompt") or metadata.get("extra_gated_description"), _MAX_TEXT),
        button=_text(metadata.get("extra_gated_button_content"), _MAX_LABEL),
        questions=tuple(question for question in questions if question is not None)[:_MAX_QUESTIONS],
    )


def checked_answers(metadata: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers to the questions of a card: one to each, each of its type. Raises InvalidInput."""
    questions = {question.label: question for question in form_of(metadata).questions}
    if strange := sorted(set(answers) - set(questions)):
        raise InvalidInput(
            f'The form does not ask "{strange[0][:100]}".', next="Answer the questions of the card.", asks=[*questions]
        )
    return {label: _answer(question, answers.get(label)) for label, question in questions.items()}


def _question(label: Any, spec: Any) -> Question | None:
    if not isinstance(label, str) or not 0 < len(label) <= _MAX_LABEL:
        return None
    kind = spec.get("type") if isinstance(spec, Mapping) else spec
    if not isinstance(kind, str) or kind not in _TYPES:
        return None
    if kind != "select":
        return Question(label, _TYPES[kind])
    listed = spec.get("options") if isinstance(spec, Mapping) else None
    options = []
    for option in listed if isinstance(listed, list) else []:
        value = option.get("value", option.get("label")) if isinstance(option, Mapping) else option
        if isinstance(value, str | int | float) and 0 < len(str(value)) <= _MAX_LABEL:
            options.append(str(value))
    return Question(label, "select", tuple(options[:_MAX_OPTIONS])) if options else None


def _answer(question: Question, value: Any) -> Any:
    problem = ""
    if question.type == "checkbox":
        if value is not True:
            problem = "has to be agreed to"
    elif not isinstance(value, str) or not value.strip():
        problem = "has no answer"
    elif len(value) > MAX_ANSWER_CHARACTERS or not storable(value):
        problem = f"has an answer of more than {MAX_ANSWER_CHARACTERS} characters, or one that cannot be stored"
    elif question.type == "select" and value not in question.options:
        problem = "has an answer that is not one of its options"
    elif question.type == "date" and not _is_date(value):
        problem = "has an answer that is no date; write it as 2024-05-31"
    if problem:
        raise InvalidInput(
            f'The question "{question.label[:100]}" {problem}.',
            next="Answer every question of the form.",
            question=question.label,
            options=list(question.options),
        )
    return value if question.type == "checkbox" else value.strip()


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _text(value: Any, limit: int) -> str:
    return value.strip()[:limit] if isinstance(value, str) else ""
