"""Columns of sources with the names of the view's own columns (P8)."""

import pytest

from muster.activation.errors import ConfigError
from muster.activation.model.locations import SourceLocation
from muster.activation.model.sources import Source, SourceIdentity
from muster.activation.sources.reserved_columns import refuse_reserved, reserved_problems

ID = SourceIdentity("id", "CRMID", primary=True)


def source(*identities: SourceIdentity, **columns: str) -> Source:
    return Source(
        "crm", "CRM", "data/crm", (ID, *identities), columns=columns, location=SourceLocation("sources/crm.yml", 1)
    )


@pytest.mark.parametrize("name", ["profile_id", "identity_map"])
def test_a_column_of_that_name_is_a_mistake(name: str) -> None:
    """P8: such a column would be mistaken for the view's own; the message says how to rename it."""
    (found,) = reserved_problems(source(), ["id", name])
    assert str(found).startswith(f"sources/crm.yml:1: the files have a column {name!r}")
    assert f"columns: {{crm_{name}: {name}}}" in found.message
    with pytest.raises(ConfigError):
        refuse_reserved(source(), ["id", name])


def test_it_may_be_renamed_or_be_read_as_identities() -> None:
    """P8: a renamed column is another one, and one that identities are read from is no attribute."""
    names = ["id", "profile_id", "identity_map"]
    identities = SourceIdentity("identity_map"), SourceIdentity("profile_id.value", "CRMID")
    assert not reserved_problems(source(own="profile_id", theirs="identity_map"), names)
    assert not reserved_problems(source(*identities), names)
    refuse_reserved(source(), ["id"])
