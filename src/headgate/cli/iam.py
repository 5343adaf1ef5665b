"""`headgate iam PLAN`: the AWS policy that Headgate needs for exactly this plan. It asks AWS nothing."""

from __future__ import annotations

from pathlib import Path

import click

from headgate.cli import common


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--account", default="*", metavar="ID", help="AWS account for the ARNs; left out: any.")
@click.option("--assess", "assess", is_flag=True, help="Add what `headgate assess` reads.")
@click.option("--drill", is_flag=True, help="Add what the drill agentcore-repoint does.")
def iam(plan: Path, account: str, assess: bool, drill: bool) -> None:
    """Print the least-privilege AWS policy for exactly this plan."""
    from headgate.config.plan_file import load_plan
    from headgate.errors import UsageError
    from headgate.platforms.agentcore import permissions

    loaded = load_plan(plan).plan
    if loaded.platform.kind != "agentcore":
        raise UsageError(
            f"{plan} runs on {loaded.platform.kind}, where no AWS permission is needed",
            "name an agent on AWS: `platform: {kind: agentcore, ...}`",
        )
    policy = permissions.policy(loaded, account=account, assess=assess, drill=drill)
    common.print_json(policy)
    if permissions.FILL_IN in str(policy):
        click.echo(
            f"the plan names no role: put the runtime's execution role in place of {permissions.FILL_IN}, or add "
            "`role: ARN` to its platform",
            err=True,
        )
