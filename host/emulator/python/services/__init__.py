"""AWS services that moto lacks, or has too little of, served beside it in one process.

Written from the services' published API models. EKS is served here as a whole: moto's has no
access entries, add-ons, pod identities, versions or updates, and takes roles and subnets that do
not exist. IAM, EC2 and the rest are moto's own, and asked where EKS would ask them.
"""

from . import cloudcontrol, eks, quotas

SERVICES = {"eks": eks.handle, "servicequotas": quotas.handle, "cloudcontrolapi": cloudcontrol.handle}


def reset():
    """Forgets everything, as moto's own reset does."""
    for service in (eks, quotas, cloudcontrol):
        service.reset()
