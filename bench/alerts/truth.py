"""The days of 2013 that deserve a page, found by hand in the raw tables before anything was tuned.

How: weather hours by airport and day were counted (24 each), flights were joined to them by airport and hour, and days were listed
on which some column of a source was missing in an unusual way, hourly values were compared with the mean of their two neighbours, and
constants of routes were followed through the year. **A day is worth a page where a fault of the delivery touches at least 4 % of its
flights, or puts a value that cannot be true into a source.** The cut was fixed first; days below it are listed too, as tickets. Weather
that is merely rough, cancellations by thunderstorms, holidays, seasonal routes and barometers that report every other hour (12 % of all
hours, up to 73 % of a day) are the stream as it is, however far they lie out.
"""

from __future__ import annotations

__all__ = ["HOLIDAYS", "PAGES", "TICKETS"]

#: day: (sources that may say it, why); shares are of the day's flights
PAGES = {
    "2013-01-01": (("weather",), "first hours of the year absent at all airports, 4.6 % of flights without any weather"),
    "2013-02-08": (("schedule", "planes"), "half of all flights cancelled in the blizzard and stripped of their tail number: 17 % lose the aircraft's key"),
    "2013-02-09": (("schedule", "planes"), "second day of it: 25 % lose the aircraft's key"),
    "2013-02-12": (("weather",), "wind of 1,048 miles an hour at EWR in one hour"),
    "2013-05-08": (("weather",), "13.1 and 12.0 'degrees F' at JFK at 22 h between 57.0 and 57.2: one hour in Celsius, under 1 % of flights"),
    "2013-07-02": (("weather",), "two hours absent at EWR, 4.4 %"),
    "2013-08-19": (("weather",), "one busy hour absent at all airports, 7.4 %"),
    "2013-08-22": (("weather",), "three hours absent at all airports and one more without temperature, 15 %"),
    "2013-10-23": (("weather",), "two hours absent at EWR, 6.1 %"),
    "2013-10-25": (("weather",), "four hours absent at all airports, 9.6 %"),
    "2013-11-02": (("weather",), "four hours absent at all airports, 6.2 %"),
    "2013-11-04": (("weather",), "one hour absent at all airports, 5.3 %"),
    "2013-12-30": (("weather",), "five hours absent at all airports, 16 %"),
    "2013-12-31": (("weather",), "the whole day absent, 100 %; the gap of the day before goes on"),
}
#: real gaps below the cut: right to list, not worth a page
TICKETS = {
    "2013-01-06": "weather, 1.6 % of flights at LGA", "2013-02-20": "weather, 2.1 %", "2013-02-22": "weather, 0.9 %",
    "2013-04-02": "weather, 1.6 %", "2013-09-02": "weather, 2.3 %", "2013-10-26": "weather, 1.6 %",
}
#: what a user would write into assay.yaml
HOLIDAYS = frozenset({
    "2013-01-01", "2013-01-21", "2013-02-18", "2013-05-27", "2013-07-04", "2013-09-02", "2013-10-14", "2013-11-11", "2013-11-28",
    "2013-11-29", "2013-12-24", "2013-12-25",
})
