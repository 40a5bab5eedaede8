from kit.config import list_names, load_recipe
from kit.nets.listing import LISTED, net_rows


def test_rows_say_parameters_sizes_and_source():
    (row,) = net_rows("cnn28")
    # Two convolutions, 7 * 7 * 64 -> 128 and 128 -> 2 units.
    assert row["parameters"] == (27 * 32 + 32) + (288 * 64 + 64) + (3136 * 128 + 128) + (128 * 2 + 2)
    assert (row["input_size"], row["min_size"], row["source"]) == (28, 16, "kit")


def test_a_name_that_is_not_among_the_listed_is_still_found():
    rows = net_rows("timm/mobilenetv2_035")
    assert [row["name"] for row in rows] == ["timm/mobilenetv2_035"]
    assert rows[0]["source"] == "timm"


def test_every_network_of_a_recipe_is_listed():
    """And so goes through the contract that all listed ones keep."""
    listed = {name for name, _ in LISTED}
    for name in list_names("recipes"):
        net = load_recipe(name).net
        used = [f"timm/{one}" for one in net.args.get("backbones", ())] or [net.name]
        assert {one.partition(".")[0] for one in used} <= listed, name
