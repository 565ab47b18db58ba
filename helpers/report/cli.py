"""The command line of `build_report.sh`; everything given is checked before anything runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import click
import yaml
from click.core import ParameterSource

from helpers import paths
from helpers.code import make_portable
from helpers.experiment.trust import INSECURE, address_of
from helpers.parameters import ParameterError
from helpers.profiles import profile_names
from helpers.report.build import FAILED, build
from helpers.report.plan import Job, plan, why

BAD_ARGUMENTS = 2
MANY = ("--only", "--set")
EPILOG = """\b
Exit codes:
  0  done
  1  a chapter failed (which one, which cell, and where its executed notebook lies is said),
     the page did not pass its checks, or the disk is full
  2  bad arguments, an output folder that cannot be used, or another build running in it
  3  the environment could not be set up
130  interrupted

Finished chapters are reused until something they depend on changes; the same command goes on
where an interrupted build stopped.

\b
Examples:
  ./build_report.sh
  ./build_report.sh smoke-real --data-dir ~/data
  ./build_report.sh quick --only 03_attacks --set epsilon=0.1 steps=20 --output build/try
  ./build_report.sh --compare build/quick build/try
"""


def spread(arguments: list[str]) -> list[str]:
    """Repeat ``--only`` and ``--set`` before each further value: click's take one value each.

    A value ends the list if it cannot belong to it: a profile's name, or one without ``=``.
    """
    result, current = [], None
    profiles = profile_names()
    for position, argument in enumerate(arguments):
        fits = "=" in argument if current == "--set" else argument not in profiles
        if argument.startswith("-") or not fits:
            current = None
        elif current is not None and arguments[position - 1] not in MANY:
            result.append(current)
        if argument in MANY:
            current = argument
        result.append(argument)
    return result


class Command(click.Command):
    """A command whose ``--only`` and ``--set`` take several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


def list_runs(job: Job) -> None:
    """Print the profiles, and the runs of the chosen one with their state."""
    click.echo("Profiles:")
    for name in profile_names():
        content = yaml.safe_load((paths.PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))
        click.echo(f"  {name:12} {content['purpose']}")
    click.echo(f"\nRuns of {job.profile.name}, in the page's order (output: {job.output.folder}):")
    for run in job.runs():
        causes = job.outdated(run)
        click.echo(f"  {run.name:28} {'done' if causes == [] else why(causes)}")


def refuse_beside_compare(context: click.Context) -> None:
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
        if given and parameter.name not in ("compare", "output"):
            argument = isinstance(parameter, click.Argument)
            name = repr(context.params[parameter.name]) if argument else parameter.opts[0]
            refuse(
                f"--compare does not combine with {name}: it takes exactly two folders, and no option "
                "beside them but --output DIR"
            )


def show_comparison(folders: tuple[Path, Path], output: Path | None) -> None:
    # scipy takes a second that a build need not wait for.
    from helpers.report.compare import compare

    try:
        click.echo(compare(*folders, output))
    except ValueError as error:
        refuse(error)


def show_plan(job: Job) -> None:
    from helpers.report.listing import WORKERS, forecast  # with TensorFlow

    for line in forecast(job).told(tuple(sorted({*WORKERS, job.workers or 1}))):
        click.echo(line)


def make_only_pieces(job: Job, which: str) -> None:
    from helpers.report.pieces import make_pieces  # with TensorFlow

    try:
        make_pieces(job, which, sys.stderr)
    except ParameterError as error:
        refuse(error)
    except ValueError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(FAILED)


def refuse(error: Exception | str) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(BAD_ARGUMENTS)


@click.command(cls=Command, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.argument("profile", default="quick")
@click.option(
    "--only",
    multiple=True,
    metavar="RUN ...",
    help="Make only these runs (03_attacks:mnist) or chapters (03_attacks).",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE ...",
    help="Give a parameter another value, in every chapter that has it.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the real data sets (data/ in the project unless given).",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for everything of this build (build/PROFILE unless given); with --compare, for its "
    "table (build unless given).",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Make the pieces in N processes of one thread each, chapters side by side.",
)
@click.option(
    "--cluster",
    envvar="DASK_SCHEDULER_ADDRESS",
    metavar="ADDRESS",
    help="Make them on a Dask cluster: its scheduler's address or scheduler.json (docs/cluster.md).",
)
@click.option(
    "--insecure-cluster",
    is_flag=True,
    help="Let pass a cluster reached over a network without TLS, where all who reach it are trusted.",
)
@click.option("--keep-going", is_flag=True, help="Go on with the other chapters after a failure.")
@click.option("--fresh", is_flag=True, help="Remove the folder's earlier build and start anew.")
@click.option(
    "--publish",
    "publishing",
    is_flag=True,
    help="When all is done, copy the build to reports/PROFILE and write its results into the README.",
)
@click.option(
    "--allow-expensive",
    is_flag=True,
    help="Let pass values of --set or the profile that take far longer than any profile's here.",
)
@click.option(
    "--portable",
    is_flag=True,
    help="Compute as every x86-64 processor with AVX2 does, so that a rerun on another one repeats the "
    "digits; slower where the processor can do more.",
)
@click.option("--list", "listing", is_flag=True, help="List profiles and runs; nothing is built.")
@click.option(
    "--plan",
    "planning",
    is_flag=True,
    help="List the pieces to be made, what is there, and the time for N workers; nothing is built.",
)
@click.option(
    "--pieces",
    "only_pieces",
    type=click.Choice(("all", "models")),
    help="Make the trained models, or all pieces, and no notebook: a later build finds them.",
)
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="DIR DIR",
    help="Compare the records of two builds and write compare-A-B.csv; nothing is built.",
)
@click.pass_context
def command(
    context,
    profile,
    only,
    overrides,
    data_dir,
    output,
    keep_going,
    fresh,
    publishing,
    listing,
    allow_expensive,
    portable,
    compare,
    workers,
    cluster,
    insecure_cluster,
    planning,
    only_pieces,
):
    """Execute the chapters of PROFILE (quick unless given) and make one HTML page of them."""
    if compare:
        refuse_beside_compare(context)
        return show_comparison(compare, output)
    if workers and context.get_parameter_source("cluster") is ParameterSource.COMMANDLINE:
        refuse("--workers N starts workers, --cluster ADDRESS takes some that are there: give one")
    if insecure_cluster:
        os.environ[INSECURE] = "1"
    try:
        if portable:
            make_portable()
        if cluster and not workers:
            address_of(cluster)  # refused before anything is written
        job = plan(
            profile, only, overrides, data_dir, output,
            keep_going=keep_going, fresh=fresh, allow_expensive=allow_expensive,
            workers=workers or 0, cluster="" if workers else cluster or "",
        )  # fmt: skip
    except yaml.YAMLError as error:
        refuse(f"profiles/{profile}.yaml is not valid YAML: {error}")
    except (ValueError, SyntaxError) as error:
        refuse(error)
    try:
        if listing:
            list_runs(job)
            return
        if planning:
            return show_plan(job)
        if only_pieces:
            return make_only_pieces(job, only_pieces)
        code = build(job, sys.stderr)
    except ParameterError as error:
        refuse(error)
    if job.output.page.exists() and code < 128:
        click.echo(f"Report: {job.output.page}")
    if publishing and code == 0:
        from helpers.report.publish import publish

        try:
            click.echo(f"Published: {publish(job.output.folder)}")
        except ParameterError as error:
            refuse(error)
        except OSError as error:
            click.echo(f"Error: --publish stopped: {error}", err=True)
            code = FAILED
    sys.exit(code)
