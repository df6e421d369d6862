"""Where a logic and its settings are, found without importing the logic."""

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeVar

from common.settings import ServiceSettings, SettingsError

FOLDER = Path(__file__).parent / "logic"

Settings = TypeVar("Settings", bound=ServiceSettings)


def built_in_logics() -> list[str]:
    """Return the names of the logics in backend/logic/."""
    return [each.name for each in iter_modules([str(FOLDER)])]


def allowed_logics() -> str:
    """Return what LOGIC may be, in words."""
    return f"{', '.join(built_in_logics())} or an importable package.module:name"


def entry_point(logic: str) -> tuple[str, str]:
    """Return the module that a logic is in, and its name there."""
    module, _, name = logic.partition(":")
    return (module, name) if name else (f"backend.logic.{logic}", "make")


def does_not_load(logic: str, error: BaseException) -> SettingsError:
    """Return the error that says why a logic or its settings cannot be imported, and what is allowed."""
    requirements = FOLDER / logic / "requirements.txt"
    expected = allowed_logics()
    if isinstance(error, ModuleNotFoundError) and requirements.is_file():
        expected = f"what {requirements.relative_to(FOLDER.parent.parent)} lists to be installed"
    return SettingsError(
        f"LOGIC={logic!r} does not load: {type(error).__name__}: {error}; expected {expected}"
    )


def settings_of(logic: str, default: type[Settings]) -> type[Settings]:
    """Return `Settings` of the module `settings` in a logic's package, or the default where there is none.

    Raises:
        SettingsError: it cannot be imported, or is no subclass of the default; says why.
    """
    place = settings_place(entry_point(logic)[0])
    if not place:
        return default
    try:
        found: type[Settings] = getattr(import_alone(*place), "Settings", default)
        if not issubclass(found, default):
            raise TypeError(f"{place[0]}.Settings is not a subclass of backend.settings.Settings")  # noqa: TRY301
    except Exception as error:
        raise does_not_load(logic, error) from error
    return found


def settings_place(module: str) -> tuple[str, Path] | None:
    """Return the name and the file of the module `settings` in the package that this module is or is in."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    for location in (spec and spec.submodule_search_locations) or ():
        package, names = Path(location, *rest), [top, *rest, "settings"]
        if not package.is_dir():
            package = package.parent
            del names[-2]
        if (package / "settings.py").is_file():
            return ".".join(names), package / "settings.py"
    return None


def import_alone(name: str, file: Path) -> Any:  # noqa: ANN401  a module
    """Import a module without the packages around it, whose code may need what only a worker imports."""
    if name not in sys.modules:
        spec = spec_from_file_location(name, file)
        module = sys.modules[name] = module_from_spec(spec)  # type: ignore[arg-type]  # of a file that exists
        try:
            spec.loader.exec_module(module)  # type: ignore[union-attr]
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
