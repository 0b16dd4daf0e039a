"""The Grafana board against Grafana's own published schema (its foundation SDK): no field that it does not know, no value that it does not take."""

import copy
import enum
import json
import typing
import unittest

import engine

try:
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import dashboard
except ImportError:
    dashboard = None

BOARD = engine.ROOT / "examples" / "grafana" / "llmc.json"
# Set by Grafana when it saves a board with a query variable, and not in its schema.
UNKNOWN_AND_RIGHT = {f"board.templating.list[{i}].definition" for i in (1, 2, 3)}


def lost(before, after, place="board"):
    """Places of what reading and writing again has dropped: fields that the schema does not have."""
    if isinstance(before, dict):
        for name, value in before.items():
            if name in after:
                yield from lost(value, after[name], f"{place}.{name}")
            elif value is not None:
                yield f"{place}.{name}"
    elif isinstance(before, list):
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{place}[{i}]")
    elif before != after:
        yield place


def kinds_of(hint) -> list:
    return [kind for part in typing.get_args(hint) or (hint,) for kind in (kinds_of(part) if typing.get_args(part) else [part])]


def wrong(value, hint=None, place="board"):
    """Places whose value is none of the schema's enumeration, or of another type."""
    if isinstance(value, (list, dict)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from wrong(one, hint, f"{place}[{key}]")
    elif hasattr(type(value), "__annotations__") and not isinstance(value, enum.Enum):
        for name, inner in typing.get_type_hints(type(value)).items():
            yield from wrong(getattr(value, name), inner, f"{place}.{name}")
    elif value is not None:
        kinds = kinds_of(hint)
        enums = [k for k in kinds if isinstance(k, type) and issubclass(k, enum.Enum)]
        plain = [k for k in kinds if k in (str, int, float, bool)]
        right = any(value in [m.value for m in e] for e in enums) or any(isinstance(value, (int, float) if k is float else k) for k in plain)
        if (enums or plain) and not right and object not in kinds:
            yield place


def faults(board: dict) -> list[str]:
    read = dashboard.Dashboard.from_json(copy.deepcopy(board))
    written = json.loads(JSONEncoder().encode(read))
    return sorted(set(lost(board, written)) - UNKNOWN_AND_RIGHT) + list(wrong(read))


@unittest.skipUnless(dashboard, "needs grafana-foundation-sdk (tests/e2e/requirements.txt)")
class Board(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        plugins.register_default_plugins()
        cls.board = json.loads(BOARD.read_text())

    def test_grafana_knows_every_field_and_value(self):
        self.assertEqual(faults(self.board), [])

    def test_it_sees_what_grafana_would_not_read(self):
        chart = next(i for i, panel in enumerate(self.board["panels"]) if panel["type"] == "timeseries")
        stat = next(i for i, panel in enumerate(self.board["panels"]) if panel["type"] == "stat")
        for place, edit in {
            "colour": lambda b: b["panels"][stat]["options"].update(colorMode="rainbow"),
            "unti": lambda b: b["panels"][chart]["fieldConfig"]["defaults"].update(unti="s"),
            "line": lambda b: b["panels"][chart]["fieldConfig"]["defaults"]["custom"].update(lineInterpolation="wavy"),
            "width": lambda b: b["panels"][chart]["gridPos"].update(w="wide"),
            "target": lambda b: b["panels"][chart]["targets"][0].update(query="up"),
        }.items():
            board = copy.deepcopy(self.board)
            edit(board)
            self.assertEqual(len(faults(board)), 1, place)


if __name__ == "__main__":
    unittest.main()
