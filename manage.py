#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line
from django.db import DatabaseError, connection


def refuse_without_library() -> None:
    """One sentence for a command that was started where no database has been made yet: else a long traceback says it."""
    if not connection.introspection.table_names():
        sys.exit(
            f"There is no library in {connection.settings_dict['NAME']}. Set ENERGYAPP_VAR to the folder that has one, "
            "or make one: make run (in production: manage.py migrate)."
        )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "energyapp.settings")
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError:
        refuse_without_library()
        raise
