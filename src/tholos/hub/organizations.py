"""What becomes of an organization's things when it is deleted. The rest of organizations is in `tholos.accounts`."""

from __future__ import annotations

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tholos.accounts import organizations
from tholos.accounts.authorization import Action, Actor, authorize
from tholos.accounts.errors import OrganizationNotEmpty
from tholos.accounts.models import Account, Membership
from tholos.accounts.service import record_audit
from tholos.hub.models import Repo
from tholos.jobs import service as jobs
from tholos.kit.database import WriteSession


def delete_organization(write: WriteSession, actor: Actor, name: str) -> None:
    """Removes an organization that owns no repo, no deployment and no job that is still to run; its admins only.

    The record of its past jobs goes to who deletes it, and its name becomes free.

    Raises OrganizationNotFound, Forbidden, OrganizationNotEmpty.
    """
    organization = organizations.get(write, name)
    authorize(actor, Action.ADMIN, organization)
    write.execute(select(Account.id).where(Account.id == organization.id).with_for_update())
    not_empty = OrganizationNotEmpty(
        f"{organization.name} still owns repos, deployments or running jobs.",
        next=f"Delete or move them first: `tholos repos list --owner {organization.name}` names the repos, "
        "`tholos repos move` gives one another owner.",
    )
    if write.scalar(select(Repo.id).where(Repo.owner_id == organization.id).limit(1)):
        raise not_empty
    if not jobs.hand_over(write, organization.id, actor.account_id):
        raise not_empty
    record_audit(write, actor, "organization.delete", organization.name)
    write.execute(delete(Membership).where(Membership.organization_id == organization.id))
    write.delete(organization)
    try:
        write.flush()
    except IntegrityError as error:  # whatever else there is refers to its owner
        raise not_empty from error
