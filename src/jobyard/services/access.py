"""Who may do what: the one table that every API asks."""

from jobyard.domain.people import Principal
from jobyard.stores.base import Visibility


def visible_to(who: Principal) -> Visibility:
    """Which jobs a caller may see. Without logins there is one caller, who may see all."""
    del who
    return Visibility(owner=None)
