"""The gateway's part of the OpenAPI document: its routes take raw bodies, so that nothing else would describe them."""

from __future__ import annotations

from typing import Any

from tholos.accounts.errors import InvalidToken, MissingScope, TokenExpired
from tholos.gateway import errors
from tholos.kit.errors import NotAuthenticated, TholosError, responses
from tholos.runtimes.errors import TextTooLong
from tholos.serving.errors import DeadlineExceeded, DeploymentNotFound, DeploymentStopped
from tholos.tasks import errors as inputs

_ERRORS: list[type[TholosError]] = [
    errors.WrongContentType,
    errors.BrokenUtf8,
    errors.BrokenJson,
    errors.NoInput,
    errors.UnknownKey,
    errors.TooDeep,
    inputs.NotFinite,
    inputs.EmptyBatch,
    NotAuthenticated,
    InvalidToken,
    TokenExpired,
    MissingScope,
    DeploymentNotFound,
    errors.BodyTooLarge,
    TextTooLong,
    DeploymentStopped,
    DeadlineExceeded,
]

PATHS: dict[str, Any] = {
    "/predict/{namespace}/{deployment}": {
        "post": {
            "tags": ["predictions"],
            "summary": "Predict",
            "operationId": "predict",
            "description": "Answers a row, several rows, a text or an image with the deployed model's output. "
            "An image may also be the raw body, with its own content type.",
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in ("namespace", "deployment")
            ],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "properties": {"input": {"description": "One input, or a list of them."}},
                            "required": ["input"],
                            "additionalProperties": False,
                        }
                    },
                    "image/*": {"schema": {"type": "string", "format": "binary"}},
                },
            },
            "responses": {
                "200": {
                    "description": "`output` and, of classes, `probabilities` by label, of a generated text "
                    "`finish_reason` (`stop`, or `length` where it was cut off); `model`, `revision`, "
                    "`deployment`, `request_id`. One input gets one output, a list gets lists."
                },
                **{str(status): answer for status, answer in responses(_ERRORS).items()},
            },
        }
    }
}
