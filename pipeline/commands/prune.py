"""`vaiven prune`."""

import click

from vaiven.serving.common import terminal


@click.command()
@click.option('--root', metavar='DIR', help='Folder of the runs; by default vaiven-runs/NAME.')
@click.option('--name', default='reviews', show_default=True, help='Name of the served model.')
@click.option(
    '--keep',
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar='N',
    help='How many runs of each component stay.',
)
@click.option('--dry-run', is_flag=True, help='Only say what would be removed.')
def prune(root: str | None, name: str, keep: int, dry_run: bool) -> int:
    """Remove artifacts of earlier runs that nothing needs.

    What the newest runs of each component read and made stays, and so does the lineage of each served version and the
    last blessed model. Versions are removed by `vaiven rollout prune`.

    \b
    Examples:
      vaiven prune --dry-run
      vaiven prune --root vaiven-runs/reviews --keep 3
    """
    import os
    import sqlite3

    from vaiven.errors import UserError
    from vaiven.pipeline.paths import RunPaths
    from vaiven.pipeline.pruning import remove, unneeded
    from vaiven.pipeline.run_lock import locked
    from vaiven.pipeline.store import StoreError, opened, relocate

    paths = RunPaths.at(root, name)
    if not os.path.isfile(paths.metadata):
        raise UserError(f'there are no runs in {paths.root}; name their folder with --root')
    try:
        with locked(paths.root), opened(paths.root) as store:
            relocate(store, '')
            artifacts = unneeded(store, paths.root, keep)
            if dry_run:
                store.rollback()
            else:
                remove(store, paths.root, artifacts)
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f'nothing more can be removed from {paths.root}: {reason}') from error
    for artifact in artifacts:
        terminal.say(f'{artifact.uri}  {_megabytes(artifact.size)}')
    verb = 'would be removed' if dry_run else 'removed'
    total = _megabytes(sum(artifact.size for artifact in artifacts))
    terminal.say(f'{len(artifacts)} artifact{"" if len(artifacts) == 1 else "s"} {verb}, {total}')
    return 0


def _megabytes(size: int) -> str:
    return f'{size / 1e6:,.1f} MB'
