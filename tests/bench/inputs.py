"""Files and CPUs that a user names: one line says what is wrong with them."""

import argparse
import json
import os
import pathlib


def read_json(parser: argparse.ArgumentParser, path: pathlib.Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


def check_file(parser: argparse.ArgumentParser, path: pathlib.Path) -> None:
    if not path.is_file():
        parser.error(f"{path} is not there, or no file")


def check_cpus(parser: argparse.ArgumentParser, flag: str, cpus: list[int]) -> None:
    mine = sorted(os.sched_getaffinity(0))
    if missing := sorted(set(cpus) - set(mine)):
        parser.error(f"{flag}: this process may not use CPU {missing[0]}, only {', '.join(map(str, mine))}")
