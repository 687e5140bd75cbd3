"""`vaiven teach`."""

import os
import shutil

import click

from vaiven.pipeline.commands.options import (
    ConfigOptions,
    DataOptions,
    config_options,
    data_options,
    root_option,
)
from vaiven.pipeline.local_addresses import require_local_path
from vaiven.pipeline.teacher_option import encoder_setting


@click.command()
@data_options
@click.option(
    '--checkpoint',
    default='minilm',
    show_default=True,
    metavar='NAME',
    help='The encoder: minilm (English), e5 (94 languages), or the folder of a BERT checkpoint or an ONNX model.',
)
@click.option(
    '--out', default='scores.jsonl', show_default=True, metavar='FILE', help='The file to write (.jsonl).'
)
@config_options
@root_option
def teach(
    data: DataOptions, checkpoint: str, out: str, config_options: ConfigOptions, root: str | None
) -> int:
    """Fine-tune a pre-trained encoder on labelled rows, and score text without labels with it.

    The encoder is trained on the training rows that `vaiven run` would use, and the best epoch on the validation rows
    is kept. Then it scores the rows of --data without a label, the texts of --unlabelled, and altered copies of the
    training rows (teacher.altered_copies). The file has a line for each text, with its probability, or its
    probabilities by class. `vaiven run --teacher FILE` learns from it. A command that was stopped resumes when it is
    started again.

    \b
    Examples:
      vaiven teach --unlabelled forum.txt
      vaiven teach --data tickets.csv --label-column topic \\
          --unlabelled old-tickets.csv --out scores.jsonl
      vaiven teach --data es.csv --unlabelled more.txt --checkpoint ./beto
    """
    out = require_local_path(out, '--out')
    if not out.endswith('.jsonl'):
        raise click.UsageError(f'--out must end in .jsonl. Received: {out}')
    if not os.path.isdir(os.path.dirname(os.path.abspath(out))):
        raise click.UsageError(f'--out: there is no folder {os.path.dirname(out)}; create it first')
    from vaiven.components.teacher.checkpoints import find_checkpoint

    config = config_options.build(data, (f'teacher.checkpoint={encoder_setting(checkpoint)}',))
    find_checkpoint(config.teacher.checkpoint)  # downloads a known one before the run starts
    if config.training.task == 'language':
        raise click.UsageError(
            'a teacher scores labels, and the task of this preset is language: leave it out'
        )
    from vaiven.pipeline.input_data import find_data
    from vaiven.pipeline.main_job import run_job
    from vaiven.pipeline.paths import RunPaths

    config, files, notes = find_data(data.data, data.unlabelled, config, data.teachers.files)
    click.echo('\n'.join(notes))
    paths = RunPaths.at(root, config.name)
    teacher = run_job(config, files, paths, None, teacher_only=True).teacher
    shutil.copyfile(os.path.join(paths.root, teacher['scores']), f'{out}.part')
    os.replace(f'{out}.part', out)
    click.echo(f'wrote {out}: {teacher["rows"]:,} texts; to learn from it: vaiven run --teacher {out}')
    return 0
