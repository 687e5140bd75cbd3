"""The flags with which `vaiven serve` starts its server."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vaiven.serving.commands import serve


@pytest.mark.parametrize(('arguments', 'batching'), [((), True), (('--no-batching',), False)])
def test_requests_share_runs_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], batching: bool
) -> None:
    config = tmp_path / 'models.config'
    config.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{tmp_path}" model_platform: "tensorflow" }} }}'
    )
    options: list[object] = []
    monkeypatch.setattr(serve, 'run', options.append)
    command = ['--config-file', str(config), '--port', '18500', '--rest-port', '0', *arguments]
    result = CliRunner().invoke(serve.serve, command)
    assert result.exit_code == 0, result.output
    [given] = options
    assert given.automatic_batching is batching  # type: ignore[attr-defined]
