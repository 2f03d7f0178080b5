"""Every setting of the server, typed, in one place.

Each comes from the environment as ``THOLOS_<NAME>``; ``tholos config`` and ``docs/reference/settings.md`` are made from
this class. Read once at the start of a process and handed down; never a global.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1 << 20
GIB = 1 << 30


class Settings(BaseSettings):
    """What an operator can choose."""

    model_config = SettingsConfigDict(env_prefix="THOLOS_", frozen=True, extra="ignore", validate_default=True)

    # -- where things are
    home: Path = Field(
        default_factory=lambda: Path.home() / ".tholos",
        description="The folder that holds everything: database, blobs, job logs, the administrator's token.",
    )
    database_url: str = Field(
        "",
        description="SQLAlchemy URL of the database. Empty: SQLite in the home folder. "
        "PostgreSQL: postgresql+psycopg://user:password@host/name.",
        json_schema_extra={"secret": True},
    )

    # -- the server
    host: str = Field("127.0.0.1", description="Address to listen on. 0.0.0.0 opens the server to the network.")
    port: int = Field(8400, ge=0, le=65535, description="TCP port to listen on; 0 picks a free one.")
    workers: int = Field(1, ge=1, le=64, description="Gateway processes that share the port.")
    public_url: str = Field(
        "", description="Base URL under which users reach the server, when it differs from host and port."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe log record that is written."
    )
    shutdown_grace_s: PositiveFloat = Field(
        10.0, description="Seconds that open requests get to finish when the server stops."
    )
    max_request_bytes: PositiveInt = Field(
        16 * MIB, description="Largest JSON or form body, in bytes, for routes without a limit of their own."
    )

    secret_key: str = Field(
        "",
        max_length=1000,
        description="Key that signs links and short-lived tokens: the same on every machine that shares a database. "
        "Empty: one is made and kept in the home folder.",
        json_schema_extra={"secret": True},
    )

    # -- accounts
    session_days: PositiveFloat = Field(14.0, le=365, description="Days until a web sign-in ends.")
    max_memberships: int = Field(
        100, ge=1, le=1000, description="Most organizations that a user may belong to; each sign-in reads them."
    )
    max_members: int = Field(10_000, ge=1, le=100_000, description="Most members of an organization.")
    max_collaborators: int = Field(
        100, ge=0, le=1000, description="Most collaborators of a repo; for more there are organizations."
    )
    max_device_logins: int = Field(
        1000, ge=1, le=100_000, description="Most programs that may wait at once to be let in by their code."
    )
    device_login_s: int = Field(
        900, ge=30, le=3600, description="Seconds in which the code that a program shows must be confirmed."
    )
    device_key_days: PositiveFloat = Field(
        90.0, le=3650, description="Days until the API key expires that a program got by its code."
    )

    # -- serving
    max_predict_bytes: PositiveInt = Field(16 * MIB, description="Largest body of a prediction request, in bytes.")
    max_predict_rows: PositiveInt = Field(10_000, description="Most rows that one prediction request may carry.")
    predict_start_wait_s: PositiveFloat = Field(
        10.0, description="Seconds that a prediction waits for a deployment that is just starting."
    )
    predict_timeout_s: PositiveFloat = Field(
        60.0, description="Seconds after which a prediction that has no answer yet is given up."
    )
    replica_queue: PositiveInt = Field(
        64, description="Most batches that wait or run in one replica process; more are refused."
    )
    replica_batch_timeout_s: PositiveFloat = Field(
        120.0, description="Seconds that one batch may take in a replica process; then the process is started anew."
    )
    replica_load_timeout_s: PositiveFloat = Field(
        120.0, description="Seconds that a replica process may take to load its model and warm it up."
    )

    # -- jobs
    job_slots: int = Field(2, ge=1, le=256, description="Jobs that run at the same time on this machine.")
    background_slots: int = Field(
        1, ge=1, le=64, description="Jobs that nobody waits for, such as scans, that run beside those of JOB_SLOTS."
    )
    job_time_s: PositiveFloat = Field(
        24 * 3600.0, description="Seconds that one attempt of a job may take, where its kind sets no limit of its own."
    )
    job_memory_mb: int = Field(
        0,
        ge=0,
        description="Memory in MiB that a job may use, where its kind sets no limit of its own. "
        "0: four fifths of what the server may use.",
    )
    job_lease_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="Seconds without a sign of life after which a job's runner counts as lost and another takes over.",
    )
    job_kill_grace_s: float = Field(
        5.0, ge=0, le=600, description="Seconds between asking a job's process to end and killing it."
    )
    job_retry_delay_s: float = Field(
        2.0,
        ge=0,
        le=600,
        description="Seconds before a job whose process died is tried again; doubled after each further attempt.",
    )
    job_log_max_bytes: int = Field(
        16 * MIB, ge=64 << 10, le=GIB, description="Bytes that one attempt of a job may print to its log."
    )
    job_stream_s: float = Field(
        300.0, ge=1, le=3600, description="Seconds after which a stream of a job's events ends; clients connect again."
    )

    # -- algorithms in repos: the code of their authors, run in a sandbox
    algorithm_sandbox: Literal["auto", "bubblewrap", "landlock", "off"] = Field(
        "auto",
        description="How the code of algorithm repos is confined. auto: by the first of bubblewrap and Landlock that "
        "works on this machine.",
    )
    allow_unsandboxed_algorithms: bool = Field(
        False,
        description="Run the code of algorithm repos even where no sandbox works, or with none. It can then do "
        "whatever the server can: only for servers whose users all trust each other.",
    )
    algorithm_time_s: float = Field(
        3600.0, ge=1, le=7 * 24 * 3600, description="Seconds that one fit by an algorithm repo's code may take."
    )
    algorithm_cpu_s: int = Field(
        4 * 3600, ge=1, le=90 * 24 * 3600, description="Processor seconds that one such fit may use."
    )
    algorithm_memory_mb: int = Field(
        4096, ge=256, le=16 << 20, description="Memory in MiB that such code may use, its libraries included."
    )
    algorithm_disk_mb: int = Field(
        2048, ge=1, le=16 << 20, description="MiB of disk that such code may write, and that its result may have."
    )

    # -- scans
    scan_pushes: bool = Field(True, description="Whether pushed files are scanned.")
    scan_time_s: PositiveFloat = Field(
        300.0, le=3600, description="Seconds that the scan of one file may take; then it could not be scanned."
    )
    scan_memory_mb: int = Field(
        1024, ge=128, le=65536, description="Memory in MiB that the scan of one file may take beyond the job's own."
    )
    deploy_unscanned: Literal["wait", "refuse", "allow"] = Field(
        "wait",
        description="What a deployment does whose files have not been scanned yet: wait for the scan, be refused, or "
        "serve them. What was found unsafe is refused in every case.",
    )

    # -- hub
    max_blob_bytes: PositiveInt = Field(100 * GIB, description="Largest file that may be uploaded, in bytes.")
    blob_store: str = Field(
        "file",
        pattern=r"^(file|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]{0,200})?)$",
        description="Where files lie: `file` is the home folder, `s3://bucket/prefix` a bucket of an S3-compatible "
        "service. Chosen once: files do not move by themselves.",
    )
    s3_endpoint: str = Field(
        "", max_length=500, description="Address of the S3-compatible service; empty: Amazon's, by region."
    )
    s3_region: str = Field("us-east-1", max_length=60, description="Region of the bucket.")
    s3_access_key_id: str = Field(
        "",
        max_length=300,
        description="Access key of the bucket; empty: what the environment or the machine's role gives "
        "(AWS_ACCESS_KEY_ID, a web identity, an instance's profile).",
        json_schema_extra={"secret": True},
    )
    s3_secret_access_key: str = Field(
        "", max_length=300, description="Secret that belongs to the access key.", json_schema_extra={"secret": True}
    )
    s3_timeout_s: float = Field(
        30.0,
        ge=0.1,
        le=600,
        description="Seconds that one request to the bucket may take; with all its repetitions it may take twice that.",
    )
    s3_redirect_downloads: bool = Field(
        False,
        description="Send Hugging Face clients that download large files to the bucket itself, by links that hold for "
        "an hour: it must be reachable for them.",
    )
    gc_grace_s: float = Field(
        7 * 24 * 3600.0,
        ge=1,
        le=365 * 24 * 3600,
        description="Seconds for which garbage collection leaves alone what was uploaded, named or staged: longer than "
        "any client takes from its first upload to the commit.",
    )
    gc_every_s: float = Field(
        0.0, ge=0, description="Seconds between garbage collections that the server begins by itself; 0: none."
    )
    pack_every_s: float = Field(
        24 * 3600.0,
        ge=0,
        description="Seconds between two times at which the server cuts files that came whole (by the SDK, Git LFS or "
        "git) into chunks that the versions of a repo share, as what comes through Xet does; 0: never.",
    )
    pack_min_bytes: int = Field(MIB, ge=1, description="Files with fewer bytes than this stay whole.")
    blob_cache_bytes: int = Field(
        20 * GIB,
        ge=0,
        description="Bytes on disk for whole files made from deduplicated content, for libraries that need a path. "
        "What was not used the longest goes first.",
    )
    disk_reserve_bytes: int = Field(
        256 * MIB, ge=0, description="Free disk space, in bytes, that uploads may not use up."
    )
    max_proposed_bytes: PositiveInt = Field(
        5 * GIB,
        description="Largest file, in bytes, that a pull request may bring from someone who may not write the repo.",
    )
    max_open_pull_requests: PositiveInt = Field(
        20, description="Open pull requests that one account may have in a repo which it may not write."
    )
    quota_bytes: int = Field(
        0,
        ge=0,
        description="Bytes that the repos of one account may hold together, all revisions counted, where an "
        "administrator has not set another quota for the account. 0: without limit.",
    )
    quota_repos: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="Repos that one account may have, where an administrator has not set another quota for the "
        "account. 0: without limit.",
    )
    max_commit_bytes: PositiveInt = Field(
        64 * MIB, description="Largest body of a commit, in bytes; larger content is uploaded as blobs before it."
    )
    max_commit_stream_bytes: PositiveInt = Field(
        256 * MIB,
        description="Largest body of a commit by Hugging Face's protocol, in bytes: it is read line by line, and no "
        "file inside it may be larger than THOLOS_MAX_COMMIT_BYTES.",
    )
    max_commit_operations: PositiveInt = Field(25_000, description="Most files that one commit may add or delete.")
    lfs_threshold_bytes: PositiveInt = Field(
        10_000_000, description="Size in bytes above which a file is kept through Git LFS whatever its name."
    )
    lfs_multipart_bytes: int = Field(
        5 * GIB,
        ge=0,
        description="Size in bytes above which Hugging Face's clients that use Git LFS send a file in parts: a part "
        "that failed is sent again alone. The parts lie on this machine's disk until the last is there, beside the "
        "file that is made from them. 0: never.",
    )
    lfs_part_bytes: int = Field(
        256 * MIB,
        ge=1024,
        le=5 * GIB,
        description="Size of such a part in bytes; larger where a file would have more than a hundred of them.",
    )
    xet_download_bytes: int = Field(
        50_000_000_000,
        ge=0,
        description="Size in bytes above which a download is offered to Hugging Face's clients through Xet, which they "
        "insist on for very large files. Smaller ones go by plain HTTP.",
    )
    max_push_bytes: PositiveInt = Field(
        2 * GIB, description="Largest pack that one `git push` may send, in bytes; it may unpack to eight times that."
    )
    max_push_objects: PositiveInt = Field(
        500_000, description="Most git objects (commits, folders, files) that one `git push` may send."
    )

    # -- webhooks
    webhook_allow_private_addresses: bool = Field(
        False,
        description="Whether webhooks may be sent to addresses that are not public, such as those of your own network. "
        "Every user can then make this server send requests there.",
    )
    webhook_timeout_s: float = Field(
        10.0, gt=0, le=120, description="Seconds that the receiver of a webhook has for its answer."
    )
    webhook_attempts: int = Field(
        6, ge=1, le=20, description="How often a webhook is sent until its receiver takes it."
    )
    webhook_retry_delay_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        description="Seconds before a webhook that was not taken is sent again; four times as many after each attempt.",
    )
    webhook_log_days: float = Field(30.0, gt=0, le=3650, description="Days for which deliveries of webhooks are kept.")

    # -- other hubs
    upstream_url: str = Field(
        "",
        max_length=500,
        pattern=r"^(https?://[^\s?#@]+)?$",
        description="Base URL of the hub from which a repo is fetched when a signed-in user asks for one that is not "
        "here, such as https://huggingface.co. Empty: from none.",
    )
    upstream_token: str = Field(
        "",
        max_length=1000,
        pattern=r"^[\x21-\x7e]*$",
        description="Token that the upstream is shown, and nobody else. What it opens there, users here may fetch.",
        json_schema_extra={"secret": True},
    )
    upstream_refresh_s: float = Field(
        300.0,
        ge=1,
        le=30 * 86400,
        description="Seconds after which a fetched repo is compared with the upstream.",
    )
    upstream_timeout_s: float = Field(
        8.0, ge=0.1, le=600, description="Seconds without a byte after which an upstream counts as away."
    )
    upstream_visibility: Literal["public", "private"] = Field(
        "public",
        description="Who may read what was fetched from the upstream: everyone, or administrators, who are then the "
        "only ones for whom it is fetched.",
    )
    max_upstream_fetches: int = Field(
        4, ge=1, le=64, description="Repos and files that are fetched from upstreams at the same time."
    )
    mirror_upstreams: str = Field(
        "",
        max_length=10_000,
        description="Base URLs, separated by commas, that users who are no administrators may mirror from.",
    )
    mirror_sync_s: float = Field(
        0.0,
        ge=0,
        le=365 * 86400,
        description="Seconds after which mirrors are brought up to date. 0: on demand only.",
    )

    @property
    def mirror_dir(self) -> Path:
        """Files that are being fetched from upstreams, and the locks of who fetches them."""
        return self.home / "mirror"

    @property
    def blobs_dir(self) -> Path:
        return self.home / "blobs"

    @property
    def jobs_dir(self) -> Path:
        return self.home / "jobs"

    @property
    def models_dir(self) -> Path:
        """Folders of the model revisions that are served, one per commit: links to blobs, made again when missing."""
        return self.home / "models"

    @property
    def run_dir(self) -> Path:
        """Sockets, the server's address: nothing here outlives a running server."""
        return self.home / "run"

    @property
    def admin_token_path(self) -> Path:
        return self.home / "admin-token"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'tholos.db'}"

    def environment(self) -> dict[str, str]:
        """The settings that differ from their defaults, as the environment of a child process."""
        chosen = {f"THOLOS_{name.upper()}": str(getattr(self, name)) for name in self.model_fields_set}
        return {**chosen, "THOLOS_HOME": str(self.home)}


def invalid_setting(error: ValidationError) -> str:
    """What is wrong with the first setting that was refused, by the name of its environment variable."""
    problem = error.errors()[0]
    variable = f"THOLOS_{problem['loc'][0]!s}".upper() if problem["loc"] else "A setting"
    return f"{variable} is not valid: {problem['msg']}."
