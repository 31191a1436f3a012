"""The documentation lists the mapping as it is."""

import re
from pathlib import Path

from tests.compat.samples import WORLD

from kvzero.compat.lightzero.facts import FACTS
from kvzero.compat.lightzero.fields import FIELDS

PAGE = (Path(__file__).parents[2] / "docs/guides/lightzero-names.md").read_text(encoding="utf-8")


def listed() -> dict[str, set[str]]:
    """Return the names of LightZero that decide each field, as the tables have them."""
    lines = [
        line for line in PAGE.splitlines() if line.count("|") == 4 and "| LightZero" not in line and "|---" not in line
    ]
    rows = [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3]] for line in lines]
    found = {
        field: {name.replace("world_model_cfg", WORLD) for name in names} for names, (field,) in rows
    }  # a row with another number of fields fails here
    assert len(found) == len(rows)
    return found


def test_the_page_lists_every_field_once_with_the_names_that_decide_it():
    mapping = {field.path.rpartition(".")[2]: set(field.facts) for field in FIELDS}
    assert len(mapping) == len(FIELDS)
    assert listed() == mapping


def test_the_page_names_no_setting_that_is_not_read():
    known = {name for fact in FACTS for name in fact.names}
    assert {name for names in listed().values() for name in names} <= known


def test_no_table_of_the_page_is_longer_than_a_person_reads():
    assert max(part.count("\n|") for part in PAGE.split("\n## ")) <= 20
