"""What stops a command: each error says what happened, what it means and what to do."""

__all__ = ["ConfigError", "Press3Error", "ServiceFailed"]


class Press3Error(Exception):
    """Base of errors that a command shows to its user without a traceback."""

    exit_code = 1


class ConfigError(Press3Error):
    """The configuration can't be used. `problems` holds one line for each fault."""

    exit_code = 2

    def __init__(self, file: str, problems: list[str]) -> None:
        self.file = file
        self.problems = problems
        super().__init__("\n".join([f"{file} can't be used:", *(f"  {p}" for p in problems)]))


class ServiceFailed(Press3Error):
    """A task of the service died unexpectedly; the service stops rather than run without it."""

    def __init__(self, task: str, error: BaseException) -> None:
        self.task = task
        super().__init__(
            f"task {task!r} died: {error!r}; press3 stops so that its supervisor restarts it whole"
        )
