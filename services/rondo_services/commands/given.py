"""Which options somebody wrote on the command line."""

import typer


def given(context: typer.Context) -> dict[str, str]:
    """By their names, as they are written there; not those that are as by default, nor those of the environment, which
    may be meant for other commands."""
    found = {}
    for own in context.command.params:
        name = str(own.name)
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and context.params[name] != own.default:
            found[name] = own.opts[0]
    return found
