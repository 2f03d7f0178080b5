"""Wire shapes of deployments."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tholos.accounts.authorization import Visibility
from tholos.kit.clock import isoformat
from tholos.runtimes import ModelDescription
from tholos.serving.models import DeploymentVersion, Home, Place
from tholos.serving.service import View
from tholos.serving.status import State
from tholos.tasks.fields import Field as InputField
from tholos.tasks.signature import Signature


class Deploy(BaseModel):
    """What to deploy, and under which name."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(max_length=200, description='The model repo, "namespace/name".')
    revision: str = Field("main", max_length=255, description="A branch, a tag, or a commit id.")
    name: str | None = Field(
        None,
        max_length=200,
        description='"namespace/name", or a bare name in your own namespace. By default the model\'s own name.',
    )
    home: Home = Field(
        "auto",
        description="inline: inside every gateway (ONNX only). process: in a process of its own. auto: inline if ONNX.",
    )
    visibility: Visibility | None = Field(
        None, description="private (at first) or public (every signed-in user may predict). Left out: as it is."
    )
    allow_unsafe: bool = Field(
        False,
        description="Administrators only: serve it whatever the scan says, or before it is done. This is audited.",
    )


class DeploymentOut(BaseModel):
    """A deployment."""

    id: str
    name: str
    model: str
    revision: str = Field(description="The commit that is wanted.")
    serving_revision: str | None = Field(description="The commit that answers now, if one does.")
    previous_revision: str | None = Field(description="What a rollback returns to.")
    home: Home
    place: Place = Field(description="Where the wanted revision runs.")
    visibility: Visibility
    state: State
    error: str = Field(description="Why the state is failed or still starting, where there is a reason.")
    version: int
    created_at: str
    updated_at: str
    url: str

    @classmethod
    def of(cls, view: View) -> DeploymentOut:
        deployment = view.deployment
        return cls(
            id=deployment.id,
            name=deployment.full_name,
            model=view.model_of(view.current),
            revision=view.current.revision,
            serving_revision=view.serving.revision if view.serving else None,
            previous_revision=view.previous.revision if view.previous else None,
            home=deployment.home,
            place=view.current.place,
            visibility=deployment.visibility,
            state=view.status.state,
            error=view.status.error,
            version=deployment.version,
            created_at=isoformat(deployment.created_at),
            updated_at=isoformat(deployment.updated_at),
            url=f"/predict/{deployment.full_name}",
        )


class DeploymentPage(BaseModel):
    """A page of deployments."""

    items: list[DeploymentOut]
    next_cursor: str | None


class DeploymentSchema(BaseModel):
    """What a deployment takes and answers, and how to call it."""

    deployment: str
    model: str
    revision: str
    task: str
    signature: dict[str, Any] = Field(description="Typed inputs and outputs as in model.json.")
    body_schema: dict[str, Any] = Field(description="JSON Schema of the request's body.")
    example: dict[str, Any] = Field(description="A body that works.")
    curl: str = Field(description="A command that works once TOKEN is set.")

    @classmethod
    def of(cls, view: View, version: DeploymentVersion, model: ModelDescription, base_url: str) -> DeploymentSchema:
        signature = model.signature
        name = view.deployment.full_name
        example = {"input": signature.example}
        return cls(
            deployment=name,
            model=view.model_of(version),
            revision=version.revision,
            task=signature.task,
            signature=signature.to_json(),
            body_schema=body_schema(signature),
            example=example,
            curl=f'curl {base_url}/predict/{name} -H "Authorization: Bearer $TOKEN" '
            f"-H 'Content-Type: application/json' -d {_quoted(json.dumps(example, ensure_ascii=False))}",
        )


_JSON_TYPES = {"number": "number", "integer": "integer", "boolean": "boolean"}


def body_schema(signature: Signature) -> dict[str, Any]:
    """JSON Schema (2020-12) of what ``/predict`` takes for this signature."""
    values = [_value_schema(field) for field in signature.inputs]
    row: dict[str, Any] = {
        "type": "object",
        "properties": dict(zip(signature.names, values, strict=True)),
        "required": list(signature.names),
        "additionalProperties": False,
    }
    listed = {"type": "array", "prefixItems": values, "items": False, "minItems": len(values)}
    is_sole = len(signature.inputs) == 1 and signature.inputs[0].dtype in ("text", "image")
    one = values[0] if is_sole else row
    many = [one, row] if is_sole else [row, listed]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"input": {"anyOf": [one, {"type": "array", "minItems": 1, "items": {"anyOf": many}}]}},
        "required": ["input"],
    }


def _value_schema(field: InputField) -> dict[str, Any]:
    kind = _JSON_TYPES.get(field.dtype, "string")
    schema: dict[str, Any] = {"type": [kind, "null"] if field.missing else kind, "title": field.name}
    if field.description:
        schema["description"] = field.description
    if field.dtype == "image":
        schema |= {"contentEncoding": "base64", "contentMediaType": "image/*"}
    if field.categories:
        schema["examples"] = list(field.categories[:100])  # not an enum: an unseen category is allowed
    return schema


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
