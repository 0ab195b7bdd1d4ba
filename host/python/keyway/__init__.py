"""Keyway: messages between processes that do not trust each other, each checked against a capability.

    import keyway

    with keyway.connect() as connection:
        greeter = connection.lookup("greeter")
        print(connection.call(greeter, "world", timeout=1).text)

Times are seconds; None waits for ever. A payload is bytes, anything with a buffer, or a str, which goes as UTF-8.
Any thread may use a connection; the interpreter lock is let go of while a call waits. Failures raise keyway.Error,
whose `name` is the verdict. Ctrl-C is noticed while receive() and next() wait, and by others when they return.
"""

import enum as _enum

from . import _keyway
from ._errors import Error, Timeout
from ._keyway import (Capability, Connection, Endpoint, Event, Message, Qubit, Region, Router, StreamReader,
                      StreamWriter, Subscription, connect)


class Right(_enum.IntFlag):
    """What a capability allows."""

    READ = _keyway.RIGHT_READ
    WRITE = _keyway.RIGHT_WRITE
    EXECUTE = _keyway.RIGHT_EXECUTE
    GRANT = _keyway.RIGHT_GRANT
    REVOKE = _keyway.RIGHT_REVOKE
    QUANTUM = _keyway.RIGHT_QUANTUM
    DEVICE = _keyway.RIGHT_DEVICE
    PROCESS = _keyway.RIGHT_PROCESS


__all__ = ["Capability", "Connection", "Endpoint", "Error", "Event", "Message", "Qubit", "Region", "Right",
           "Router", "StreamReader", "StreamWriter", "Subscription", "Timeout", "connect"]
for _name in __all__:
    if isinstance(globals()[_name], type):
        globals()[_name].__module__ = "keyway"
