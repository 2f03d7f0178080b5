"""Runs the agent in the foreground. Exits with 1 and a clear sentence when it cannot."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from pydantic import ValidationError

from tholos.agent.node import Agent
from tholos.kit.errors import TholosError
from tholos.kit.home import HomeLock
from tholos.kit.logs import configure_logs
from tholos.kit.settings import Settings, invalid_setting


def main() -> None:
    """Takes the home folder and runs the platform on it until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tholos.agent", description="Run the Tholos platform.")
    for name, kind in (("host", str), ("port", int), ("workers", int), ("home", str)):
        parser.add_argument(f"--{name}", type=kind)
    os.umask(0o077)  # what a home holds is for its owner alone
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    try:
        settings = Settings(**given)
        configure_logs(settings.log_level)
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with HomeLock(settings.home):
            asyncio.run(Agent(settings).run())
    except TholosError as error:
        sys.exit(f"error: {error.message}\n  → {error.next}")
    except ValidationError as error:
        sys.exit(f"error: {invalid_setting(error)}\n  → Change or unset it; docs/reference/settings.md has the bounds.")


if __name__ == "__main__":
    main()
