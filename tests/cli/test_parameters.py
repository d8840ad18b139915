"""Parameters of the site, of groups and of computers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from distd.catalogue import groups_schema, schema
from distd.origin.installation import open_installation

FRAG = "download.frag_latency_s"


def add(site: Any) -> None:
    """A computer in a group."""
    with open_installation(site.data) as installation, installation.catalogue.write() as conn:
        row = {"device_id": "pc", "first_seen_at_us": 0, "last_seen_at_us": 0}
        conn.execute(insert(schema.computers).values(id=1, **row))
        conn.execute(insert(groups_schema.groups).values(id=2, name="lab", name_key="lab"))
        conn.execute(insert(groups_schema.group_members).values(group_id=2, computer_id=1))


def test_the_site_a_group_and_a_computer_have_their_own(site: Any) -> None:
    add(site)
    assert site("parameters", "set", f"{FRAG}=30").out.split() == ["Parameter", "Value", "From", FRAG, "30", "site"]
    foreseen = site("group", "set", "lab", f"{FRAG}=40", "--dry-run")
    assert foreseen.out.splitlines()[1].split("  ")[0] == FRAG
    assert "30 (site)" in foreseen.out
    assert "40 (group lab)" in foreseen.out
    assert "1 computer" in foreseen.out
    assert site("parameters", "show", "--json").json[FRAG] == {"value": 30, "origin": "site"}
    site("group", "set", "lab", f"{FRAG}=40")
    assert site("computer", "set", "pc", f"{FRAG}=3", "--json").json["parameters"][FRAG]["origin"] == "computer"
    shown = site("computer", "show", "pc")
    assert "group lab" not in shown.out
    site("computer", "set", "pc", f"{FRAG}=")
    assert site("computer", "show", "pc", "--json").json["parameters"][FRAG] == {"value": 40, "origin": "group lab"}
    nothing = site("computer", "set", "pc", f"{FRAG}=", "--dry-run")
    assert nothing.out == "No computer would get another value.\n"


def test_what_is_refused(site: Any) -> None:
    add(site)
    for arguments, message in (
        (("parameters", "set", f"{FRAG}=-1"), f"distd: {FRAG}: expected a whole number from 0 to 86400, got -1"),
        (("parameters", "set", FRAG), f"distd: KEY=VALUE: expected KEY=VALUE, each key once, got {FRAG}"),
        (("group", "set", "none", f"{FRAG}=1"), "distd: NAME: expected the name of a group, got none"),
        (("computer", "set", "pc", f"{FRAG}=1", "changed="), "distd: KEY=VALUE: expected parameters of the agent, or"),
        (
            ("computer", "set", "pc", "changed=", "--dry-run"),
            "distd: KEY=VALUE: expected parameters of the agent, with",
        ),
    ):
        done = site(*arguments)
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert done.err.startswith(message), done.err
