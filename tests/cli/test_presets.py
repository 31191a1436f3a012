"""`kvzero presets` on a narrow terminal."""

from kvzero import PRESETS


def test_the_table_fits_eighty_columns_and_names_everything(command):
    said = command("presets")
    table, about = said.out.split("\n\n")
    lines = [line.rstrip() for line in table.splitlines()]
    assert lines[0].split() == ["preset", "environment", "steps", "width", "layers", "context"]
    assert [line.split()[0] for line in lines[1:]] == list(PRESETS)
    assert lines[1].split() == ["cartpole", "CartPole-v1", "10,000", "64", "2", "16"]
    assert max(len(line) for line in lines) <= 80
    assert [line.split(":")[0] for line in about.splitlines()] == list(PRESETS)
