"""`distd why`."""

from __future__ import annotations

from typing import Any

PC = "pc-2026-01-01-00-00-00"


def test_why(site: Any) -> None:
    package_id = site.build()
    site.computer(PC)
    assert (
        site("why", PC, package_id).out.splitlines()[0] == "The package is not active, so no agents are notified of it."
    )
    done = site("why", PC, package_id, "--lang", "fr")
    assert done.out.startswith("Le paquet n'est pas actif")
    assert f"  `distd package activate {package_id}`." in done.out
    found = site("why", PC, package_id, "--json").json
    assert found["device_id"] == PC
    assert [cause["kind"] for cause in found["causes"]] == ["NOT_ACTIVE", "NOT_ASSIGNED", "CONTACT_OVERDUE"]
    assert found["causes"][2]["facts"]["last_contact_at_s"] == 0.000001
    assert "No package is left for it to deploy" in site("why", PC).out
    assert "No agent has ever made a contact as pc17." in site("why", "pc17").out


def test_why_of_a_whole_package(site: Any) -> None:
    package_id = site.build()
    assert site("package", "activate", package_id).status == 0
    assert site("why", "--package", package_id).err == f"Package {package_id} is assigned to no computer.\n"
    site.computer(PC)
    assert site("assign", package_id, "--computer", PC).status == 0
    assert site("why", "--package", package_id).out == f"1 silent for too long: {PC}\n"
    assert site("why", PC).out.startswith(f"{package_id}: It has been silent since")
    (group,) = site("why", "--package", package_id, "--json", "--lang", "fr").json["groups"]
    assert (group["kind"], group["computers"], group["examples"]) == ("CONTACT_OVERDUE", 1, [PC])


def test_wrong_input(site: Any) -> None:
    for words in ((), (PC, "--package", "17"), ("--package", "17"), (PC, "--lang", "de")):
        done = site("why", *words)
        assert done.status in (1, 2)
        assert len(done.err.splitlines()) == 1
