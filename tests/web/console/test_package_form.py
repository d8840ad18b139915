"""The form of a new package, and the order that it makes."""

from __future__ import annotations

import pytest

from distd.domain.errors import BadInput
from distd.domain.records import Action, OperatingSystem
from distd.origin.packages.orders import FragmentOrder, NotifyChange, UploadSource
from distd.web.console.package_form import NEW, PackageForm, read_form

LAUNCH = {"name": " Putty ", "os": "WINDOWS", "action": "LAUNCH", "launch": "putty.exe /S", "path": "C:\\x"}


def test_an_order_has_the_target_of_its_action() -> None:
    form = read_form(LAUNCH | {"upload": "putty.zip", "notify_text": "Save", "notify_countdown_s": "30", "x": "y"})
    order = form.order(FragmentOrder(count=3))
    assert (order.name, order.os, order.action) == ("Putty", OperatingSystem.WINDOWS, Action.LAUNCH)
    assert (order.target, order.priority, order.fragments.count) == ("putty.exe /S", 5, 3)
    assert order.source == UploadSource("putty.zip", remove=True)
    assert order.notify == NotifyChange("Save", 30, can_abort=False, can_delay=False, done_action_text="")
    assert "x" not in form.values


def test_a_recipe_is_chosen_instead_of_an_action() -> None:
    order = read_form(LAUNCH | {"action": "recipe msi", "arguments": " A=b "}).order()
    assert (order.recipe, order.action, order.target, order.arguments) == ("msi", None, "", "A=b")


@pytest.mark.parametrize(
    ("change", "field", "place"),
    [
        ({"action": "RUN"}, "action", "action"),
        ({"action": "recipe rm"}, "recipe", "action"),
        ({"os": "DOS"}, "os", "os"),
        ({"priority": "many"}, "priority", "priority"),
        ({"notify_countdown_s": "99999"}, "notify.countdown_s", "notify_countdown_s"),
    ],
)
def test_what_cannot_be(change: dict[str, str], field: str, place: str) -> None:
    form = read_form(LAUNCH | change)
    with pytest.raises(BadInput) as caught:
        form.order()
    assert caught.value.field == field
    assert form.input_of(caught.value) == place


@pytest.mark.parametrize(
    ("field", "place"),
    [("target", "launch"), ("source", "file"), ("fragments.count", "count"), ("notify.text", "notify_text"), ("x", "")],
)
def test_errors_of_use_cases_have_their_inputs(field: str, place: str) -> None:
    assert read_form(LAUNCH).input_of(BadInput(field, "", "")) == place


def test_all_of_it_stands_in_an_address() -> None:
    assert read_form(LAUNCH).query(count="4").startswith("name=+Putty+&os=WINDOWS&action=LAUNCH")
    with pytest.raises(BadInput) as caught:
        PackageForm(LAUNCH | {"description": "x" * 9000}).query()
    assert caught.value.field == "description"


def test_a_new_form_has_defaults() -> None:
    assert (NEW["os"], NEW["priority"], NEW["action"], NEW["name"]) == ("WINDOWS", "5", "STORE", "")
