"""IAM: what is in use stays, sizes and counts have limits, names and tag keys do not differ only in case."""

import re

from moto.iam.exceptions import DeleteConflictException, EntityAlreadyExists, LimitExceededException, NotFoundException
from moto.iam.models import IAMBackend

from services import quotas

from .patch import before

# Characters that are no white space, of a managed policy, a trust policy, and all inline policies together.
MANAGED, TRUST = 6144, 2048
INLINE = {"role": 10240, "user": 2048, "group": 5120}


def install():
    before(IAMBackend, "create_policy", policy_may_be)
    before(IAMBackend, "create_policy_version", lambda _, policy_arn, policy_document, set_as_default: fits(policy_document))
    before(IAMBackend, "delete_policy", policy_is_free)
    before(IAMBackend, "create_role", role_may_be)
    before(IAMBackend, "update_assume_role_policy", lambda _, role_name, policy_document: trust_fits(policy_document))
    before(IAMBackend, "put_role_policy", lambda self, name, policy, document: inline_fits("role", self.get_role(name), policy, document))
    before(IAMBackend, "put_user_policy", lambda self, name, policy, document: inline_fits("user", self.get_user(name), policy, document))
    before(IAMBackend, "put_group_policy", lambda self, name, policy, document: inline_fits("group", self.get_group(name), policy, document))
    before(IAMBackend, "attach_role_policy", may_be_attached)
    before(IAMBackend, "create_instance_profile", profile_may_be)
    before(IAMBackend, "remove_role_from_instance_profile", is_in_profile)
    before(IAMBackend, "create_open_id_connect_provider", provider_may_be)
    IAMBackend.tag_role = lambda self, role_name, tags: tagged(self, self.get_role(role_name), tags)
    IAMBackend.tag_instance_profile = lambda self, instance_profile_name, tags: tagged(self, self.get_instance_profile(instance_profile_name), tags)


def size(document):
    return len(re.sub(r"\s", "", document or ""))


def fits(document):
    if size(document) > MANAGED:
        raise LimitExceededException(f"Cannot exceed quota for PolicySize: {MANAGED}")


def trust_fits(document):
    if size(document) > TRUST:
        raise LimitExceededException(f"Cannot exceed quota for ACLSizePerRole: {TRUST}")


def inline_fits(what, holder, policy, document):
    others = sum(size(text) for name, text in holder.policies.items() if name != policy)
    if others + size(document) > INLINE[what]:
        raise LimitExceededException(f"Maximum policy size of {INLINE[what]} bytes exceeded for {what} {holder.name}")


def counted(backend, code, there, what):
    most = int(quotas.limit(backend.account_id, "us-east-1", "iam", code))
    if there >= most:
        raise LimitExceededException(f"Cannot exceed quota for {what}: {most}")


def unique(names, name, what):
    # Moto says so itself of the very same name, in AWS's words.
    if any(other != name and other.lower() == name.lower() for other in names):
        raise EntityAlreadyExists(f"{what} with name {name} already exists.")


def policy_may_be(backend, description, path, policy_document, policy_name, tags):
    fits(policy_document)
    own = [policy for arn, policy in backend.managed_policies.items() if ":iam::aws:" not in arn]
    unique([policy.name for policy in own], policy_name, "A policy")
    counted(backend, "L-E95E4862", len(own), "PoliciesPerAccount")


def policy_is_free(backend, policy_arn):
    policy = backend.get_policy(policy_arn)
    if policy.attachment_count > 0:
        raise DeleteConflictException("Cannot delete a policy attached to entities.")
    if len(policy.versions) > 1:
        message = "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."
        raise DeleteConflictException(message)


def role_may_be(backend, role_name, assume_role_policy_document, *_, **__):
    trust_fits(assume_role_policy_document)
    unique([role.name for role in backend.roles.values()], role_name, "Role")
    counted(backend, "L-FE177D64", len(backend.roles), "RolesPerAccount")


def may_be_attached(backend, policy_arn, role_name):
    attached = backend.get_role(role_name).managed_policies
    if policy_arn not in attached:
        counted(backend, "L-0DA4ABF3", len(attached), "PoliciesPerRole")


def profile_may_be(backend, name, path, role_names, tags=None):
    backend._tag_verification(tags or [])
    unique(list(backend.instance_profiles), name, "Instance Profile")
    counted(backend, "L-6E65F664", len(backend.instance_profiles), "InstanceProfilesPerAccount")


def is_in_profile(backend, profile_name, role_name):
    if backend.get_role(role_name) not in backend.get_instance_profile(profile_name).roles:
        raise NotFoundException(f"The role with name {role_name} cannot be found.")


def provider_may_be(backend, url, *_, **__):
    counted(backend, "L-858F3967", len(backend.open_id_providers), "OpenIdConnectProvidersPerAccount")


def tagged(backend, holder, tags):
    """A key that differs in case from one that is there takes its place."""
    new = backend._tag_verification(tags)
    holder.tags = [tag for tag in holder.tags if tag["Key"].lower() not in new] + list(tags)
