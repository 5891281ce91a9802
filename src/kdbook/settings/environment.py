"""The environment of this process: the ``KDBOOK_*`` variables, and whether it is the kernel of a notebook."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kdbook.errors import KdbookError
from kdbook.paths import exists, expanded

DEFAULT_PROFILE = "embedded"
SOCKET_BYTES = 103  # of the path of a socket on macOS; Linux has a few more
SERVED_LOCALLY = "http://127.0.0.1:8000"  # by make serve


class Environment(BaseSettings):
    """The environment variables that kdbook reads; an empty variable counts as unset."""

    model_config = SettingsConfigDict(env_prefix="KDBOOK_", env_ignore_empty=True, extra="ignore")

    profile: str = Field(
        DEFAULT_PROFILE, description="Profile to use: a shipped name or the path of a .toml file."
    )
    data: str | None = Field(
        None, description="Replaces the profile's data source: a directory, a file or a hub id."
    )
    store: str | None = Field(
        None, description="The run store: a directory, or a URL such as s3://bucket/folder."
    )
    site: str = Field(SERVED_LOCALLY, description="Address of the published site.")
    repository: str | None = Field(
        None, description="Address of the source, such as https://github.com/owner/name."
    )
    any_versions: bool = Field(
        default=False, description="Use finished runs that other versions of the computing packages made."
    )
    ray_address: str | None = Field(
        None, validation_alias="RAY_ADDRESS", description="The Ray cluster to train on."
    )


def read() -> Environment:
    """The environment variables as they are now.

    Raises
    ------
    KdbookError
        If one has a value that it can't have.
    """
    try:
        return Environment()
    except ValidationError as error:
        first = error.errors()[0]
        variable = f"KDBOOK_{str(first['loc'][0]).upper()}"
        choice = "true or false" if "bool" in first["type"] else first["msg"]
        raise KdbookError(f"{variable} is {first['input']!r}; write {choice}") from error


def make_paths_absolute() -> None:
    """Make relative paths in the environment absolute, since chapters are executed in the folder of their
    file.
    """
    current = read()
    paths = {
        "profile": current.profile if Path(current.profile).suffix == ".toml" else None,
        "data": current.data if current.data and exists(expanded(current.data)) else None,
        "store": current.store if current.store and not is_url(current.store) else None,
    }
    for variable, path in paths.items():
        if path:
            os.environ[f"KDBOOK_{variable.upper()}"] = str(expanded(path).absolute())


def is_url(name: str) -> bool:
    """Whether a place is named by a URL rather than by a path."""
    return "://" in name


def folder_for_sockets(characters: int) -> Path:
    """A folder for temporary files in which the path of a socket may have so many characters more.

    The address of a socket holds about a hundred bytes; the temporary folders of job schedulers and of macOS
    can be longer by themselves.

    Raises
    ------
    KdbookError
        If there is none.
    """
    folders = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108  # only if short and ours to write
    for folder in folders:
        if len(os.fsencode(folder)) + characters <= SOCKET_BYTES and os.access(folder, os.W_OK):
            return folder
    raise KdbookError(
        f"the path of the temporary folder {folders[0]} is too long for sockets; set TMPDIR to a shorter one"
    )


def notebook_shell() -> Any:
    """IPython's shell in the kernel of a notebook, None in any other process.

    IPython is not imported for it.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell if hasattr(shell, "kernel") else None
