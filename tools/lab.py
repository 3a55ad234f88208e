"""Open the lab, or check it: ``python tools/lab.py [lab|test|notebooks|validate|...]``.

This file only finds a Python that is new enough and hands over to `tools.commands`.  It keeps to
a syntax that every Python since 2.7 can read, because an old Python must be able to say in one
line that it is too old; a syntax error would not help anybody.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROBE = "import sys, venv, ensurepip; sys.exit(0 if sys.version_info[:2] >= (%d, %d) else 1)"


def suits(python):
    """Tell whether `python` runs, is new enough, and can make virtual environments."""
    with open(os.devnull, "w") as nowhere:
        try:
            command = [python, "-c", PROBE % OLDEST]
            return subprocess.call(command, stdout=nowhere, stderr=nowhere) == 0
        except OSError:
            return False


def another():
    """Return a Python that suits, or None: the environment's own, else one on the PATH."""
    made = [
        os.path.join(ROOT, ".venv", *place)
        for place in (("bin", "python"), ("Scripts", "python.exe"))
    ]
    for name in made + list(NEWER):
        if suits(name):
            return name
    return None


def main():
    """Run the command with a Python that suits; return its exit code."""
    found = "%s is Python %d.%d" % ((sys.executable,) + tuple(sys.version_info[:2]))
    if sys.version_info[:2] < OLDEST:
        # PYTHON= was a choice: nothing else is taken behind the user's back.
        python = None if os.environ.get("PYTHON") else another()
        if python is None:
            sys.stderr.write(
                "mesh_lab needs Python %d.%d or newer, but %s: install a newer one, or name it "
                "with PYTHON=... (make test PYTHON=python3.12).\n" % (OLDEST + (found,))
            )
            return 1
        sys.stdout.write("%s, which is too old; using %s instead.\n" % (found, python))
        sys.stdout.flush()
        try:
            return subprocess.call([python, os.path.abspath(__file__)] + sys.argv[1:])
        except KeyboardInterrupt:
            return 130
    sys.path[0] = ROOT
    from tools import commands

    return commands.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
