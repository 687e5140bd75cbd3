"""TensorFlow, imported once and without its log output."""

import ctypes
import functools
import os
import sys
import tempfile
from types import ModuleType


@functools.cache
def tensorflow() -> ModuleType:
    """TensorFlow, with the operations of tensorflow-text registered, which models with a tokenizer need.

    Its C++ libraries write to file descriptor 2 during the import, whatever the log level is. This output is shown only
    if the import fails.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    # oneDNN's allocator keeps the memory of unloaded models: 2,039 MB after 22 models of 50 MB, 875 MB without it.
    os.environ.setdefault('TF_ONEDNN_USE_SYSTEM_ALLOCATOR', 'true')
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as output:
        os.dup2(output.fileno(), 2)
        try:
            import tensorflow as tf
            import tensorflow_text  # noqa: F401
        except BaseException:
            output.seek(0)
            os.write(terminal, output.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    module: ModuleType = tf
    return module


def trim_memory() -> None:
    """Returns freed memory to the system, which the allocator of glibc would keep. Does nothing without glibc."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
