"""How a rule is put before, or in place of, a method of moto."""

import functools

from moto.ec2.exceptions import EC2ClientError


def before(owner, name, check):
    """Calls `check` with the method's own arguments before the method; the check may raise."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def checked(self, *args, **kwargs):
        check(self, *args, **kwargs)
        return method(self, *args, **kwargs)

    setattr(owner, name, checked)


def dependency(message):
    return EC2ClientError("DependencyViolation", message)
