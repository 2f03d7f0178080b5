"""What can go wrong between a deployment and the replica that answers for it; ``runtimes.errors`` has the model's own.

NotFound (404)
  DeploymentNotFound
InvalidInput (400)
  BadDeploymentName
Conflict (409)
  NothingToRollBackTo
Unprocessable (422)
  NotServable ── NotInlineable
  InferenceFailed · OutputMisfit
Unavailable (503, with Retry-After)
  DeploymentStarting · DeploymentStopped · DeploymentFailed · ReplicaLost · ReplicaBusy · DeadlineExceeded
"""

from __future__ import annotations

from typing import ClassVar

from tholos.kit.errors import Conflict, InvalidInput, NotFound, Unavailable, Unprocessable


class DeploymentNotFound(NotFound):
    """There is no such deployment, or you may not see it."""

    code: ClassVar[str] = "deployment_not_found"
    hint: ClassVar[str] = "A model is served once it is deployed: `tholos deploy NAME`."


class BadDeploymentName(InvalidInput):
    """A deployment cannot have that name."""

    code: ClassVar[str] = "deployment_name_invalid"


class NothingToRollBackTo(Conflict):
    """The deployment has served one revision only."""

    code: ClassVar[str] = "nothing_to_roll_back_to"


class NotServable(Unprocessable):
    """The revision holds nothing that can be served."""

    code: ClassVar[str] = "revision_not_servable"


class NotInlineable(NotServable):
    """Only ONNX models can run inside a gateway."""

    code: ClassVar[str] = "home_not_inlineable"


class InferenceFailed(Unprocessable):
    """The model failed on this input."""

    code: ClassVar[str] = "inference_failed"


class OutputMisfit(Unprocessable):
    """The model's output does not fit its signature."""

    code: ClassVar[str] = "model_output_misfit"


class DeploymentStarting(Unavailable):
    """The deployment is still loading its model."""

    code: ClassVar[str] = "deployment_starting"
    retry_after_s = 2


class DeploymentStopped(Unavailable):
    """The deployment is stopped."""

    code: ClassVar[str] = "deployment_stopped"
    retry_after_s = None  # it stays stopped until someone starts it


class DeploymentFailed(Unavailable):
    """The deployment's model cannot be loaded."""

    code: ClassVar[str] = "deployment_failed"
    retry_after_s = 10


class ReplicaLost(Unavailable):
    """The process that runs the model ended in the middle of the work; it is being restarted."""

    code: ClassVar[str] = "replica_lost"
    retry_after_s = 2


class ReplicaBusy(Unavailable):
    """The model has more work waiting than it accepts."""

    code: ClassVar[str] = "replica_busy"


class DeadlineExceeded(Unavailable):
    """The model did not answer in time."""

    code: ClassVar[str] = "deadline_exceeded"


def unforeseen(error: Exception) -> str:
    """What a deployment's page says of a failure that is not the model's: no paths and no internals, which are in the
    log.
    """
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"The server could not load the model ({reason}); its log has the details."
