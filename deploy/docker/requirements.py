"""Prints what pyproject.toml asks for, with the extras of the argument, as `postgresql,s3`.

Installed in a step of its own, it is not installed anew whenever the code has changed.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
requirements = list(project["dependencies"])
for extra in filter(None, sys.argv[1].split(",")):
    if extra not in project["optional-dependencies"]:
        sys.exit(f"there is no extra {extra!r}; choose among {', '.join(project['optional-dependencies'])}")
    requirements += project["optional-dependencies"][extra]
print("\n".join(requirements))
