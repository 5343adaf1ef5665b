"""The entry point: names of commands, where each is defined, and how an error leaves the program.

Commands are imported when they are asked for, so that `headgate --help` answers at once.
"""

from __future__ import annotations

import importlib
import sys

import click

from headgate import __version__
from headgate.errors import HeadgateError

# name -> (module, attribute, help). The help stands here so that listing the commands imports none of them.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("headgate.cli.init", "init", "Write a starter plan, suite and agent."),
    "doctor": ("headgate.cli.doctor", "doctor", "Say what is wrong here, and how to mend it."),
    "up": ("headgate.cli.up", "up", "Run all parts on this machine."),
    "plan": ("headgate.cli.plan", "plan", "Check or explain a plan; print its schema."),
    "assess": ("headgate.cli.assess", "assess", "Measure what this platform can do for this agent."),
    "iam": ("headgate.cli.iam", "iam", "Print the AWS policy that a plan needs."),
    "rollout": ("headgate.cli.rollout", "rollout", "Start, watch and steer rollouts."),
    "gate": ("headgate.cli.gate", "gate", "Run one suite now."),
    "approve": ("headgate.cli.rollout", "approve", "Approve the step that a rollout waits for."),
    "reject": ("headgate.cli.rollout", "reject", "Reject it: the candidate is taken back."),
    "rollback": ("headgate.cli.rollback", "rollback", "Take an agent back to an earlier version."),
    "evidence": ("headgate.cli.evidence", "evidence", "Show the ledger records of a rollout."),
    "verify": ("headgate.cli.evidence", "verify", "Find changed, dropped or reordered records."),
    "replay": ("headgate.cli.evidence", "replay", "Decide a rollout again from its ledger."),
    "incident": ("headgate.cli.incident", "incident", "Open, show, acknowledge, diagnose, resolve incidents."),
    "notify": ("headgate.cli.notify", "notify", "Show messages to people; send one again."),
    "mute": ("headgate.cli.mute", "mute", "Mute alarms for a planned maintenance."),
    "handoff": ("headgate.cli.handoff", "handoff", "Take an agent over from those who released it."),
    "drill": ("headgate.cli.drill", "drill", "Rehearse a failure, and measure the recovery."),
    "report": ("headgate.cli.report", "report", "Write a report from the ledger."),
    "judge": ("headgate.cli.judge", "judge", "Judge turns of any pipeline: JSON lines in, verdicts out."),
    "simulate": (
        "headgate.cli.simulate",
        "simulate",
        "Play a plan on simulated sessions, before anything is released.",
    ),
    "traffic": ("headgate.cli.traffic", "traffic", "Drive session-shaped load."),
    "gateway": ("headgate.cli.parts", "gateway", "Run the gateway alone."),
    "controller": ("headgate.cli.parts", "controller", "Run the controller alone."),
    "runtime": ("headgate.cli.parts", "runtime", "Run the local runtime alone."),
    "dashboard": ("headgate.cli.parts", "dashboard", "Run the dashboard alone."),
}


class _Lazy(click.Group):
    """A group that knows its commands by name and loads one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the shape is click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the shape is click's
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the shape is click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="headgate")
@click.option("--home", metavar="DIR", help="State directory (HEADGATE_HOME, else ./.headgate).")
@click.pass_context
def cli(ctx: click.Context, home: str | None) -> None:
    """Release a new version of an AI agent a little at a time, measure it, take it back in seconds, prove it.

    Exit codes: 0 done as asked, 1 the rollout or suite failed, 2 wrong use or plan, 3 a needed service is unreachable,
    4 refused (permission, lease, human hold).
    """
    ctx.obj = home


def main() -> None:
    """Run the command line; an error that Headgate means leaves as two lines and an exit code, never as a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except HeadgateError as error:
        click.echo(f"headgate: {error.message}", err=True)
        if error.mend:
            click.echo(f"  mend: {error.mend}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has left: nobody is there to be told
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
