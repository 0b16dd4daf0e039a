"""The result of run.py: numbers under a part's name and keys, or the reason why there are none."""

import json
import os
import pathlib


def measured(result: dict, part: str, keys: tuple):
    """What stands there; None: nothing, or why there is nothing or not all of it."""
    for key in (part, *keys):
        result = result.get(key, {})
    return None if not result or "skipped" in result or "cut" in result else result


def put(result: dict, part: str, keys: tuple, found: dict):
    """In the place of a reason, too."""
    *way, last = (part, *keys)
    for key in way:
        result = result.setdefault(key, {})
        result.pop("skipped", None)
    result[last] = found


def save(path: pathlib.Path, result: dict):
    """Whole at any moment."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(result, indent=1))
    os.replace(beside, path)
