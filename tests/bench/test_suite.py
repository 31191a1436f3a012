"""The suite's shapes are those of the documentation."""

from kvzero.bench.suite import CASES


def test_the_cases_are_the_documented_shapes_in_both_number_types():
    found = {(case["num_envs"], case["embed_dim"], case.get("head_expansion", 1), case["dtype"]) for case in CASES}
    shapes = [(8, 64, 1), (64, 64, 1), (8, 768, 1), (64, 768, 1), (8, 768, 4)]
    assert found == {(*shape, dtype) for shape in shapes for dtype in ("float32", "bfloat16")}
    assert len(CASES) == len(found)
