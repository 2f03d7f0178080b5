"""What can go wrong with a job.

Refusals to a caller:   JobNotFound 404 · JobEnded 409 · JobNotRetryable 409 · PayloadInvalid 400 · KindTaken 409 ·
                        KindUnknown 400
Reasons a job failed:   JobCrashed · JobLost · JobTimedOut · JobOutOfMemory (kept on the job as code, message, next)
Inside the engine:      Superseded, JobCancelled, OwnerLost (a child learns that nobody wants its result)
"""

from __future__ import annotations

from tholos.kit.errors import Conflict, InvalidInput, NotFound, Unprocessable


class JobNotFound(NotFound):
    """There is no such job, or you may not see it."""

    code = "job_not_found"


class JobEnded(Conflict):
    """The job has already ended, so it cannot be cancelled."""

    code = "job_ended"


class JobNotRetryable(Conflict):
    """Only a job that failed or was cancelled can be retried."""

    code = "job_not_retryable"


class PayloadInvalid(InvalidInput):
    """A job's payload and result must be plain JSON without NaN and infinity."""

    code = "job_payload_invalid"


class KindTaken(Conflict):
    """A kind of job with this name is registered already."""

    code = "job_kind_taken"


class KindUnknown(InvalidInput):
    """There is no kind of job with this name."""

    code = "job_kind_unknown"


class JobCrashed(Unprocessable):
    """The job's program ended with an error of its own."""

    code = "job_crashed"


class JobLost(Unprocessable):
    """The server that ran the job stopped before the job ended."""

    code = "job_lost"


class JobTimedOut(Unprocessable):
    """The job ran longer than its time limit."""

    code = "job_timed_out"


class JobOutOfMemory(Unprocessable):
    """The job needed more memory than its limit."""

    code = "job_out_of_memory"


class Superseded(Conflict):
    """This run of the job is no longer the current one; its result is refused."""

    code = "job_superseded"


class JobCancelled(BaseException):
    """Raised in a job's work when the job is to stop; not an Exception, so that ``except Exception`` lets it pass."""


class OwnerLost(BaseException):
    """The runner that started this child is gone, so nobody can accept its result."""
