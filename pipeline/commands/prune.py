"""`vaiven prune`."""

import click

from vaiven.pipeline.commands.options import root_option
from vaiven.serving.common import terminal


@click.command()
@root_option
@click.option('--name', default='reviews', show_default=True, help='Name of the served model.')
@click.option(
    '--keep',
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar='N',
    help='Number of runs of each component to keep.',
)
@click.option('--dry-run', is_flag=True, help='Only show what would be removed.')
def prune(root: str | None, name: str, keep: int, dry_run: bool) -> int:
    """Remove artifacts of earlier runs that are no longer needed.

    The inputs and outputs of the newest runs of each component are kept, and so are the lineage of each served version
    and the latest blessed model. `vaiven rollout prune` removes versions.

    \b
    Examples:
      vaiven prune --dry-run
      vaiven prune --root vaiven-runs/reviews --keep 3
    """
    import os
    import sqlite3

    from vaiven.errors import UserError
    from vaiven.pipeline.paths import RunPaths
    from vaiven.pipeline.pruning import prunable_artifacts, remove_artifacts
    from vaiven.pipeline.run_lock import run_lock
    from vaiven.pipeline.store import StoreError, open_store, rebase_artifacts

    paths = RunPaths.at(root, name)
    if not os.path.isfile(paths.metadata):
        raise UserError(f'there are no runs in {paths.root}; choose another folder with --root')
    try:
        with run_lock(paths.root), open_store(paths.root) as store:
            rebase_artifacts(store, '')
            artifacts = prunable_artifacts(store, paths.root, keep)
            if dry_run:
                store.rollback()
            else:
                remove_artifacts(store, paths.root, artifacts)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f'cannot remove artifacts from {paths.root}: {reason}') from error
    for artifact in artifacts:
        terminal.say(f'{artifact.uri}  {_megabytes(artifact.size)}')
    verb = 'would be removed' if dry_run else 'removed'
    total = _megabytes(sum(artifact.size for artifact in artifacts))
    terminal.say(f'{len(artifacts)} artifact{"" if len(artifacts) == 1 else "s"} {verb}, {total}')
    return 0


def _megabytes(size: int) -> str:
    return f'{size / 1e6:,.1f} MB'
