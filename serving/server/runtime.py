"""TensorFlow, imported once and without its chatter."""

import ctypes
import functools
import os
import sys
import tempfile
from types import ModuleType


@functools.cache
def tensorflow() -> ModuleType:
    """TensorFlow with tensorflow-text's ops registered, so that models which tokenise load.

    Its C++ libraries write to file descriptor 2 while they load, whatever the log level is: that is held
    back, and shown only if the import fails.
    """
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    # oneDNN's own allocator never gives back what models had that are no longer served.
    os.environ.setdefault('TF_ONEDNN_USE_SYSTEM_ALLOCATOR', 'true')
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow as tf
            import tensorflow_text  # noqa: F401
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
    module: ModuleType = tf
    return module


def give_back_memory() -> None:
    """Hands what was freed back to the system; the allocator keeps it otherwise. Nothing happens without glibc."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
