"""Pages that answer: deployments, and the form that a model's signature makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import RedirectResponse, Response

from tholos.accounts.authorization import Action, Actor, may
from tholos.accounts.dependencies import SESSION_COOKIE, CurrentActor, Cursor, Read
from tholos.gateway.exchange import JSON, Exchange
from tholos.gateway.gateway import Gateway
from tholos.kit.http import ServicesDep
from tholos.kit.ids import new_id
from tholos.kit.services import Services
from tholos.serving import service
from tholos.serving.errors import DeploymentNotFound
from tholos.serving.schemas import DeploymentOut, DeploymentSchema
from tholos.tasks.fields import NUMERIC, Field
from tholos.tasks.signature import Signature
from tholos.web.rendering import page
from tholos.web.repos import MODEL, At, RepoAt

router = APIRouter(include_in_schema=False)
models = APIRouter(prefix=MODEL, include_in_schema=False)
_PAGE = 30


@router.get("/deployments")
def show_deployments(
    request: Request, actor: CurrentActor, read: Read, services: ServicesDep, cursor: Cursor = None
) -> Response:
    """The deployments that the reader may see."""
    found = service.list_deployments(read, services.database, actor, cursor, _PAGE)
    shown = [DeploymentOut.of(view) for view in found.items]
    return page(request, "deployments.html", actor, deployments=shown, next_cursor=found.next_cursor)


@router.get("/deployments/{namespace}/{name}")
def show_deployment(
    request: Request, namespace: str, name: str, actor: CurrentActor, services: ServicesDep
) -> Response:
    """A deployment: its form, how to call it, what to change."""
    return _deployment_page(request, services, actor, f"{namespace}/{name}")


@router.post("/deployments/{namespace}/{name}")
async def predict_by_deployment(
    request: Request, namespace: str, name: str, actor: CurrentActor, services: ServicesDep
) -> Response:
    """The form's answer, on the same page."""
    deployment = f"{namespace}/{name}"
    asked = await _ask(request, services, actor, deployment)
    return await run_in_threadpool(_deployment_page, request, services, actor, deployment, **asked)


@router.post("/deployments/{namespace}/{name}/change")
def change_deployment(
    namespace: str,
    name: str,
    actor: CurrentActor,
    services: ServicesDep,
    action: Annotated[str, Form(pattern="^(start|stop|rollback)$")],
) -> Response:
    """Starts, stops or rolls back."""
    deployment = f"{namespace}/{name}"
    if action == "rollback":
        service.rollback(services.database, services.blobs, actor, deployment)
    else:
        service.set_wanted(services.database, actor, deployment, "running" if action == "start" else "stopped")
    return RedirectResponse(f"/deployments/{deployment}", 303)


@models.get("/predict")
def show_predict(request: Request, at: At, actor: CurrentActor, services: ServicesDep) -> Response:
    """The form on a model's page, answered by a deployment that serves the model."""
    return _model_page(request, services, actor, at)


@models.post("/predict")
async def predict_by_model(request: Request, at: At, actor: CurrentActor, services: ServicesDep) -> Response:
    """The form's answer, on the same page."""
    deployment = await run_in_threadpool(_deployment_of, services, actor, at)
    asked = await _ask(request, services, actor, deployment)
    return await run_in_threadpool(_model_page, request, services, actor, at, **asked)


def _deployment_page(request: Request, services: Services, actor: Actor, name: str, **asked: Any) -> Response:
    with services.database.read() as read:
        view = service.get(read, services.database, actor, name)
    version, model = service.description(services.blobs, view)
    schema = DeploymentSchema.of(view, version, model, str(request.base_url).rstrip("/"))
    values = {
        "deployment": DeploymentOut.of(view),
        "curl": schema.curl,
        "example": json.dumps(_short(model.signature.example), ensure_ascii=False),
        "may_change": may(actor, Action.WRITE, view.deployment),
        **_form(model.signature, asked),
    }
    return page(request, "deployment.html", actor, **values)


def _model_page(request: Request, services: Services, actor: Actor, at: RepoAt, **asked: Any) -> Response:
    with services.database.read() as read:
        found = at.open(read, actor)
        view = service.of_model(read, services.database, actor, found.repo)
        if view is None:
            return page(request, "predict.html", actor, tab="predict", deployment=None, **found.values)
    _, model = service.description(services.blobs, view)
    values = {**found.values, "deployment": DeploymentOut.of(view), **_form(model.signature, asked)}
    return page(request, "predict.html", actor, tab="predict", **values)


def _deployment_of(services: Services, actor: Actor, at: RepoAt) -> str:
    """The name of the deployment that answers for a model. Raises RepoNotFound, DeploymentNotFound."""
    with services.database.read() as read:
        view = service.of_model(read, services.database, actor, at.open(read, actor).repo)
    if view is None:
        raise DeploymentNotFound(f"No deployment serves the model {at.name}.", next=f"Run `tholos deploy {at.name}`.")
    return view.deployment.full_name


async def _ask(request: Request, services: Services, actor: Actor, deployment: str) -> dict[str, Any]:
    """What was typed and what came of it: ``values``, and ``answer`` or ``failure``."""

    def signature_of() -> Signature:
        with services.database.read() as read:
            view = service.get(read, services.database, actor, deployment)
        return service.description(services.blobs, view)[1].signature

    signature = await run_in_threadpool(signature_of)
    async with request.form(max_files=4, max_fields=5000) as form:
        values = {field.name: await _value(field, form) for field in signature.inputs}
    sole = signature.inputs[0].dtype in ("text", "image")
    asked = values[signature.inputs[0].name] if sole else values
    gateway: Gateway = request.app.state.gateway
    namespace, _, name = deployment.partition("/")
    answer = await gateway.submit(
        Exchange(
            namespace=namespace,
            deployment=name,
            body=json.dumps({"input": asked}).encode(),
            content_type=JSON,
            request_id=request.scope.get("tholos.request_id") or new_id("req"),
            session=request.cookies.get(SESSION_COOKIE),
        )
    )
    told = json.loads(answer.body)
    typed = {} if signature.inputs[0].dtype == "image" else values
    return {"values": typed, "failure": told["error"]} if "error" in told else {"values": typed, "answer": told}


async def _value(field: Field, form: FormData) -> Any:
    """One control's content as the JSON that a program would send."""
    content = form.get(field.name)
    if isinstance(content, UploadFile):
        return base64.b64encode(await content.read()).decode()
    text = content if field.dtype == "text" else (content or "").strip()
    if not text and field.dtype != "text":
        return None
    if field.dtype == "boolean":
        return text == "true"
    return _number(text) if field.dtype in NUMERIC else text


def _number(text: str | None) -> Any:
    """The number typed; anything else goes on as text, so that the gateway's own error names it."""
    try:
        value = json.loads(text or "")
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def _form(signature: Signature, asked: Mapping[str, Any]) -> dict[str, Any]:
    example = signature.example if isinstance(signature.example, dict) else {}
    if signature.inputs[0].dtype == "text":
        example = {signature.inputs[0].name: signature.example}
    return {
        "signature": signature,
        "values": asked.get("values") or example,
        "answer": asked.get("answer"),
        "failure": asked.get("failure"),
    }


def _short(example: Any) -> Any:
    """An example that fits on a page: the bytes of an image do not."""
    return f"{example[:60]}…" if isinstance(example, str) and len(example) > 200 else example
