"""A job runner alone in a process, run until it is killed: ``python runner_process.py <owner>``."""

from __future__ import annotations

import asyncio
import sys

import work_samples

from tholos.jobs.runner import JobRunner
from tholos.kit.database import Database
from tholos.kit.settings import Settings

if __name__ == "__main__":
    settings = Settings()
    runner = JobRunner(settings, Database(settings.resolved_database_url), work_samples.KINDS, owner=sys.argv[1])
    asyncio.run(runner.run(asyncio.Event()))
