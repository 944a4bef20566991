"""Look at an installed qcp_sdk from outside the checkout: is everything there, with the base dependencies alone?

Run by .ci/run in a clean environment, where neither the extras nor the checkout can be found.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from pkgutil import walk_packages

EXTRAS = {
    "aiosmtpd", "asgiref", "celery", "click", "django", "flask", "hypothesis", "jwt", "lxml", "opentelemetry", "pkcs11",
    "procrastinate", "psycopg", "pytest", "rich", "segno", "signxml", "sqlalchemy", "typst", "werkzeug", "xsdata",
}  # fmt: skip
"""What only the extras bring: a module that needs one of these may refuse to be imported here."""


def found(folder: Traversable, name: str) -> bool:
    """Say whether a file of this name lies anywhere under the folder."""
    return any(found(entry, name) if entry.is_dir() else entry.name == name for entry in folder.iterdir())


def main() -> int:
    import qcp_sdk

    faults: list[str] = []
    package = files("qcp_sdk")
    home = Path(qcp_sdk.__file__ or "").resolve()
    if not home.is_relative_to(Path(sys.prefix).resolve()):
        faults.append("qcp_sdk was not imported from this environment")
    faults += [f"`{name}` is not installed" for name in ("default.toml", "py.typed") if not found(package, name)]
    templates = package / "templates"
    if not templates.is_dir() or not any(True for _ in templates.iterdir()):
        faults.append("the templates are not installed")

    modules = 0
    for module in walk_packages(qcp_sdk.__path__, "qcp_sdk."):
        if module.name.endswith("__main__"):
            continue
        try:
            import_module(module.name)
            modules += 1
        except ImportError as error:
            if (error.name or "").partition(".")[0] not in EXTRAS:
                faults.append(f"`{module.name}` cannot be imported: {error}")
    for name in getattr(qcp_sdk, "__all__", ()):
        try:
            getattr(qcp_sdk, name)
        except ImportError as error:
            faults.append(f"the public name `{name}` cannot be had: {error}")

    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"installed in {Path(sys.prefix).name}: {modules} modules, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
