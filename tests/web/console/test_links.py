"""Addresses of pages."""

from __future__ import annotations

from distd.web.console.links import address, of_computer, of_deployment


def test_what_is_empty_is_left_out_and_changes_replace() -> None:
    kept = {"filter": 'tag = "a&b"', "sort": "", "state": ["A", "B"]}
    assert address("/x", kept, cursor=None) == "/x?filter=tag+%3D+%22a%26b%22&state=A&state=B"
    assert address("/x", kept, filter="", state=[]) == "/x"


def test_names_are_one_part_of_a_path() -> None:
    assert of_computer("a/b?c#d") == "/computers/a%2Fb%3Fc%23d"
    assert of_deployment("17") == "/packages/17/deployment"
