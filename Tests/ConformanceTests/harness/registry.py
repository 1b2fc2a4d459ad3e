"""What a test is, and how the modules in cases/ announce theirs."""

import dataclasses
import typing


class Failure(Exception):
    """A test failed. The message is one line; details are what the reader looks at next."""

    def __init__(self, message, details=""):
        super().__init__(message)
        self.details = details


class Skip(Exception):
    """A test cannot be run here. The message is the reason, and is never empty."""


@dataclasses.dataclass
class Test:
    name: str
    run: typing.Callable
    #: Run when no other test does: it measures time or changes what others see.
    alone: bool = False
    #: It says something about vmrun only, so there is nothing to do with --native-only.
    needs_vmrun: bool = True
    #: vmrun gets no further than its command line: a vmrun for another processor does the same under qemu-user.
    needs_host: bool = True


CASES = []


def case(name=None, alone=False, needs_vmrun=True, needs_host=True):
    """Make the decorated function a test. It gets the Context, and raises Failure or Skip."""
    def register(function):
        area = function.__module__.rsplit(".", 1)[-1].replace("_", "-")
        title = name or function.__name__.replace("_", "-")
        CASES.append(Test(f"{area}/{title}", function, alone, needs_vmrun, needs_host))
        return function
    return register


def check(condition, message, details=""):
    if not condition:
        raise Failure(message, details)
