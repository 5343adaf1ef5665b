"""Every command line in the documents is one that exists, and every command is in the documents."""

import click
import pytest
from documents import command_lines

from headgate.cli.main import cli

LINES = command_lines()
_ALONE = frozenset({"--help", "-h", "--version"})


def leaves(group, parent, path=()):
    """Every command that can be typed, as a tuple of words, but not the groups."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from leaves(command, context, (*path, name))
        else:
            yield (*path, name)


def resolved(words):
    """(command, its arguments, path) of a line's words, without the options of the top level."""
    words = list(words)
    while words[:1] == ["--home"]:
        words = words[2:]
    command, context, path = cli, click.Context(cli, info_name="headgate"), ()
    while isinstance(command, click.Group) and words and words[0] not in _ALONE:
        path = (*path, words.pop(0))
        command = command.get_command(context, path[-1])
        assert command is not None, f"there is no command `headgate {' '.join(path)}`"
        context = click.Context(command, info_name=path[-1], parent=context)
    return command, words, path, context.parent


def complain(words, whole):
    """What is wrong with a command line; "" when it can be typed."""
    try:
        command, rest, path, parent = resolved(words)
        if isinstance(command, click.Group) or set(rest) & _ALONE:
            return ""
        command.make_context(path[-1], list(rest), parent=parent)
    except click.MissingParameter as error:
        return error.format_message() if whole else ""
    except click.ClickException as error:
        return error.format_message()
    except AssertionError as error:
        return str(error)
    return ""


def test_there_are_lines_to_look_at():
    """An empty list would let the test below pass unseen."""
    assert len(LINES) > 40


@pytest.mark.parametrize(("where", "words", "whole"), LINES, ids=[f"{w}: {' '.join(x)}" for w, x, _ in LINES])
def test_a_command_line_can_be_typed(where, words, whole):
    """The command exists, and so does every option; what is shown to be typed is whole."""
    assert complain(words, whole) == "", f"{where}: headgate {' '.join(words)}"


@pytest.mark.parametrize(
    "line", ["rollout sart headgate.yaml", "rollout list --jsno", "verify --head", "gate run", "report risk x"]
)
def test_a_wrong_line_would_be_seen(line):
    """A mistyped command, option or a missing argument is found."""
    assert complain(line.split(), True) != ""


def test_every_command_is_in_the_documents():
    """No command is left to be found by chance."""
    told = {resolved(words)[2] for _, words, _ in LINES if complain(words, False) == ""}
    assert set(leaves(cli, click.Context(cli, info_name="headgate"))) - told == set()
