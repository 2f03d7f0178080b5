"""an address of the Xet store that no store had before at this place

Revision ID: 0015
Revises: 0014

A Xet client remembers for weeks what it sent to an address, and does not recover when it is gone: the store of a home
that was made anew must not have the address of the one before.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_BEGAN = 1_767_225_600
"""2026-01-01 UTC; seconds since then fit the column for decades."""


def upgrade() -> None:
    state = sa.table("collection_state", sa.column("generation", sa.Integer))
    generation = int(time.time()) - _BEGAN
    op.execute(sa.update(state).where(state.c.generation < generation).values(generation=generation))
