"""Civil time, and the span and bucket of a row: sections 2.1 and 2.2 of the format."""

import datetime
import re
import zoneinfo

from .notation import DAY, FIRST_INSTANT, LAST_INSTANT, Refused

NONE, INTERVAL, DAILY, WEEKLY, MONTHLY, EVENT = range(6)
GRAINS = ("none", "interval", "daily", "weekly", "monthly", "event")
EPOCH = datetime.date(1970, 1, 1).toordinal()
DATE = re.compile(rb"(\d{4})-(\d\d)-(\d\d)")
DATE_ONLY = re.compile(rb"(\d{4}-\d\d-\d\d)(?: 00:00:00)?")
TIMESTAMP = re.compile(rb"(\d{4}-\d\d-\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?")
FIXED_TEXT = 10
DIGITS = re.compile(rb"\d+")


class Blob(bytes):
    """A value of storage class blob; one of class text is plain bytes."""

    __slots__ = ()


def is_text(value):
    return type(value) is bytes


def number_of(value):
    """The number in a value, or None: an integer, or a text of nothing but digits that fit 64 bits."""
    if type(value) is int:
        return value
    if is_text(value) and DIGITS.fullmatch(value) and len(value.lstrip(b"0")) <= 19:
        number = int(value)
        return number if number < 1 << 63 else None
    return None


def day_of(text):
    """The day of `YYYY-MM-DD` in the years 1 to 9999, or None."""
    found = DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return datetime.date(*map(int, found.groups())).toordinal() - EPOCH
    except ValueError:
        return None


def date_of_day(day):
    """The date of a day that is in the years 1 to 9999."""
    return datetime.date.fromordinal(day + EPOCH)


def month_end(day):
    """The instant at which the calendar month of a day ends."""
    first = date_of_day(day).replace(day=1)
    following = datetime.date.max.toordinal() + 1
    if first < datetime.date(9999, 12, 1):
        following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1).toordinal()
    return (following - EPOCH) * DAY


def show(instant):
    """An instant for people."""
    day, second = divmod(instant, DAY)
    try:
        return f"{date_of_day(day)} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    except (ValueError, OverflowError):
        return f"instant {instant}"


class Clock:
    """From the values of a row to its span, for one section."""

    def __init__(self, header):
        self.header = header
        self.zone = None
        self.memo = {}
        if header.clock.kind == 4:
            try:
                self.zone = zoneinfo.ZoneInfo(header.clock.zone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise Refused(f"the time zone {header.clock.zone!r} is not known on this machine") from None

    def begin(self, date, time):
        """Day and second of the day on which the clock's values stand, or None."""
        kind = self.header.clock.kind
        if kind in (1, 2):
            found = DATE_ONLY.fullmatch(date) if is_text(date) else None
            day = day_of(found.group(1)) if found else None
            if day is None or kind == 2:
                return None if day is None else (day, 0)
            hhmm = number_of(time)
            if hhmm is None or not 0 <= hhmm <= 2359 or hhmm % 100 > 59:
                return None
            return day, hhmm // 100 * 3600 + hhmm % 100 * 60
        if kind == 3:
            found = TIMESTAMP.fullmatch(date) if is_text(date) else None
            day = day_of(found.group(1)) if found else None
            if day is None:
                return None
            hour, minute, second = (int(part or 0) for part in found.groups()[1:])
            return (day, hour * 3600 + minute * 60 + second) if hour < 24 and minute < 60 and second < 60 else None
        return self.from_epoch(number_of(date))

    def from_epoch(self, unix):
        if unix is None or not FIRST_INSTANT - DAY * 2 <= unix <= LAST_INSTANT + DAY * 2:
            return None
        try:
            utc = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=unix)
            civil = utc.astimezone(self.zone)
        except (OverflowError, ValueError):
            return None
        return civil.toordinal() - EPOCH, civil.hour * 3600 + civil.minute * 60 + civil.second

    def span(self, date, time, length):
        """Start and stop of a row with these values, or None for an undated one."""
        grain = self.header.grain
        if grain == NONE:
            return None
        begun = self.begin(date, time)
        if begun is None:
            return None
        day, second = begun
        start, stop = day * DAY, day * DAY + DAY
        if grain == WEEKLY:
            stop = start + 7 * DAY
        elif grain == MONTHLY:
            start, stop = (day - date_of_day(day).day + 1) * DAY, month_end(day)
        elif grain in (INTERVAL, EVENT):
            start += second
            stop = start + {1: 60, 2: DAY}.get(self.header.clock.kind, 1)
            if grain == INTERVAL:
                fixed = self.header.clock.length_column is None
                minutes = self.header.clock.length_minutes if fixed else number_of(length)
                if minutes is None or not 1 <= minutes <= 1440:
                    return None
                stop = start + minutes * 60
        return (start, stop) if FIRST_INSTANT <= start and stop <= LAST_INSTANT else None

    def spans(self, columns, rows):
        """The span of each row of a chunk, given its columns."""
        clock = self.header.clock
        if self.header.grain == NONE:
            return [None] * rows

        def column(number):
            return self.unpadded(columns, number) if number is not None else [None] * rows

        dates, times, lengths = column(clock.date_column), column(clock.time_column), column(clock.length_column)
        found, memo = [], self.memo
        if len(memo) > 100000:
            memo.clear()
        for row in zip(dates, times, lengths):
            # Values that are equal must be of one class to have one span: 1 and 1.0, a text and a blob are equal.
            key = (row, type(row[0]), type(row[1]), type(row[2]))
            if key not in memo:
                memo[key] = self.span(*row)
            found.append(memo[key])
        return found

    def acds(self, columns, rows):
        """The ACD of each row, None for none."""
        number = self.header.acd_column
        return [None] * rows if number is None else [number_of(value) for value in self.unpadded(columns, number)]

    def unpadded(self, columns, number):
        """The values of a column; of fixed texts without the blanks behind them."""
        if self.header.columns[number].logical != FIXED_TEXT:
            return columns[number]
        return [value.rstrip(b" ") if is_text(value) else value for value in columns[number]]
