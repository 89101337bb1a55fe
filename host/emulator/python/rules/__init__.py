"""Rules of AWS that moto lacks, added to its backends.

Each module names one subject; each rule raises the error that AWS documents. What moto answers
wrongly without a rule being broken is corrected in `mends`.
"""

from . import endpoints, groups, identity, networks, quotas, ranges


def install():
    for module in (networks, ranges, endpoints, groups, identity, quotas):
        module.install()
