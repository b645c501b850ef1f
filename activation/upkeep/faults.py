"""The report of a check of the state: faults, what each affects, and what each repair costs (SPEC 10)."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Repair:
    """One way to mend a fault: the option of `state repair` that does it, and what that costs."""

    option: str  # empty: no option does it, and ``cost`` says what does
    cost: str
    is_possible: bool = True  # as far as a check can tell


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: ``damage`` stops or misleads a command; other faults only take space."""

    file: str  # with the name of the state folder
    problem: str
    affects: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    damage: bool = True
    mode: bool = False  # only the file's mode is wrong


@dataclass(frozen=True)
class Health:
    """The outcome of a check: how many files and bytes were read, and each fault."""

    folder: str
    files: int
    bytes: int
    at_work: bool  # another command holds the lock
    faults: tuple[Fault, ...]

    @property
    def damaged(self) -> bool:
        """Whether any fault is damage."""
        return any(fault.damage for fault in self.faults)


@dataclass
class Findings:
    """The faults and counts of a check that is under way."""

    folder: str
    files: int = 0
    bytes: int = 0
    at_work: bool = False
    faults: list[Fault] = field(default_factory=list)

    def health(self) -> Health:
        """Return the outcome of the check."""
        return Health(self.folder, self.files, self.bytes, self.at_work, tuple(self.faults))


RESTORE = Repair("", "`muster state restore BACKUP`: what was delivered since the backup is delivered again")
MOVE_ASIDE = Repair("--tidy", "moves it aside; loses nothing")
SET_MODE = Repair("--tidy", "sets its mode; loses nothing")


def left_over(file: str, problem: str) -> Fault:
    """Return the fault of a file that no command needs."""
    return Fault(file, problem, repairs=(MOVE_ASIDE,), damage=False)
