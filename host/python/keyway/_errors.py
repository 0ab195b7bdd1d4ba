"""What the functions of keyway raise."""


class Error(Exception):
    """A refusal by the router, or trouble on the way. str() is a sentence with the next step."""

    def __init__(self, name: str, code: int, message: str, remedy: str = "", errno: int = 0):
        super().__init__(message)
        self.name = name
        """Its name in the contract, such as "insufficient_rights"."""
        self.code = code
        """Its number in the contract."""
        self.remedy = remedy
        """What to do about it."""
        self.errno = errno
        """The system's error, if it was that; else 0."""


class Timeout(Error, TimeoutError):
    """The time that was given has passed."""


# As people see and import them.
Error.__module__ = Timeout.__module__ = "keyway"
