"""What can go wrong with the history of devices."""


class TimeSeriesError(Exception):
    """The store cannot do what was asked; the message is one line for the operator."""


class MalformedPointsError(TimeSeriesError, ValueError):
    """The points given to ``append`` are not a JSON object of properties; nothing was appended."""
