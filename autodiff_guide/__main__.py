"""The command line, ``python -m autodiff_guide``: add a command here."""

import argparse
import sys

from autodiff_guide.pitfalls import explain

parser = argparse.ArgumentParser(prog="python -m autodiff_guide")
commands = parser.add_subparsers(required=True)
explaining = commands.add_parser("explain", help="explain an error of autograd")
explaining.add_argument("message", nargs="*", help="else the standard input is read")


def main() -> int:
    """Explain and return 0 if the message is known, 1 if not."""
    arguments = parser.parse_args()
    explanation = explain(" ".join(arguments.message) or sys.stdin.read())
    sys.stdout.write(f"{explanation}\n")
    return 0 if explanation.pitfall else 1


if __name__ == "__main__":
    sys.exit(main())
