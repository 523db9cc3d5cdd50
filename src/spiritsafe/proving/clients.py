"""When requests arrive: the rhythm of real API clients, and the day and night of people.

Programs follow the rate curves and burstiness of real clients (ServeGen); people follow a weekly curve of
their own. Each account shifts, sharpens and re-draws its curve, so that no two have the same shape.
Comes from the user's or the bundled traffic tables; goes on to `profiles` (which curve) and `jobs` (times).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from spiritsafe.proving.model import DAY_US, HOUR_US, PoolError, read_input

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from spiritsafe.proving.model import Floats, Ints

# A curve raised to a power is flatter or sharper: one client becomes several that differ.
_EXPONENTS: Final = (0.6, 0.85, 1.15)
HUMAN_CURVES: Final = 24
_BURST_US: Final = 1_500_000
# ServeGen's clients are in UTC+8 (Alibaba Model Studio).
_TRACE_ZONE_H: Final = 8.0


@dataclass(frozen=True)
class Streams:
    """Demand to be turned into arrival times: one entry a stream.

    `curve` is a position in the library, `shift_us` moves it in time, `cv` is the coefficient of variation of
    the gaps (1 is Poisson).
    """

    count: Ints
    curve: Ints
    shift_us: Ints
    start_us: Ints
    end_us: Ints
    cv: Floats


class Clients:
    """The library of curves: real clients first, then `HUMAN_CURVES` weekly curves of people.

    Attributes
    ----------
    real
        How many real clients there are.
    rate
        Shape (real,). Mean requests a second of each client, sorted as the curves are.
    cv
        Shape (curves,). Median burstiness of each.
    """

    def __init__(self, grids: list[Floats], cumulative: list[Floats], rate: Floats, cv: Floats) -> None:
        self._grids = grids
        self._cumulative = cumulative
        self.real = len(rate)
        self.rate = rate
        self.cv = cv
        self._log_rate = np.sort(np.log(np.maximum(rate, 1e-4)))
        self._log_median = float(np.median(self._log_rate))

    def relative_volume(self, quantile: Floats) -> Floats:
        """Volume of a client at each quantile, the median client being 1.

        The order and the long tail are the real clients'; the spread is compressed (power 0.42), since real
        rates span more than five powers of ten and no log of ours could hold both ends.
        """
        places = np.linspace(0, 1, self.real)
        return np.asarray(np.exp(0.42 * (np.interp(quantile, places, self._log_rate) - self._log_median)))

    def program_curve(self, rng: np.random.Generator, size: int) -> Ints:
        """Positions of curves of programs."""
        client = rng.integers(0, self.real, size)
        return np.asarray(client * len(_EXPONENTS) + rng.integers(0, len(_EXPONENTS), size))

    def human_curve(self, rng: np.random.Generator, size: int) -> Ints:
        """Positions of curves of people."""
        person = self.real + rng.integers(0, HUMAN_CURVES, size)
        return np.asarray(person * len(_EXPONENTS) + rng.integers(0, len(_EXPONENTS), size))

    def shift_us(self, rng: np.random.Generator, curve: Ints, zone_h: Floats) -> Ints:
        """How far each curve is moved so that its day falls into a time zone, with a spread of its own."""
        human = curve // len(_EXPONENTS) >= self.real
        own_zone = np.where(human, 0.0, _TRACE_ZONE_H) - zone_h + rng.normal(0, 0.9, len(curve))
        # Three in ten programs run on nobody's clock.
        anywhere = ~human & (rng.random(len(curve)) < 0.3)
        hours = np.where(anywhere, rng.uniform(0, 168, len(curve)), own_zone)
        days = np.where(human, 0, rng.integers(0, 7, len(curve)))
        return np.asarray((hours * HOUR_US).astype(np.int64) + days * DAY_US)

    def arrivals(self, rng: np.random.Generator, streams: Streams) -> Ints:
        """Arrival times of every stream, flat, sorted within each stream.

        A renewal process with gamma gaps of the stream's `cv` runs in operational time and is mapped through
        the inverse of the stream's cumulative curve between its start and its end.

        Returns
        -------
        Shape (sum of count,). Microseconds on the same clock as `start_us`.
        """
        counts = streams.count
        total = int(counts.sum())
        if not total:
            return np.empty(0, dtype=np.int64)
        shape = np.repeat(1.0 / np.square(np.clip(streams.cv, 0.3, 4.0)), counts + 1)
        gaps = rng.standard_gamma(shape) + 1e-9
        running = np.cumsum(gaps)
        last = np.cumsum(counts + 1) - 1
        first = last - counts
        base = running[first] - gaps[first]
        span = running[last] - base
        stream = np.repeat(np.arange(len(counts)), counts + 1)
        position = (running - base[stream]) / span[stream]
        keep = np.ones(len(gaps), dtype=bool)
        keep[last] = False
        position, stream = position[keep], stream[keep]
        found = self._through_curves(position, stream, streams)
        # A burst is seconds long, not nanoseconds: no machine sends two requests in one microsecond.
        found += (rng.random(total) * _BURST_US).astype(np.int64)
        return found[np.lexsort((found, stream))]

    def _through_curves(self, position: Floats, stream: Ints, streams: Streams) -> Ints:
        out = np.empty(len(position), dtype=np.int64)
        of_row = streams.curve[stream]
        order = np.argsort(of_row, kind="stable")
        edges = np.flatnonzero(np.diff(of_row[order])) + 1
        for rows in np.split(order, edges):
            curve = int(of_row[rows[0]])
            here = np.flatnonzero(streams.curve == curve)
            grid, cumulative = self._curve(curve)
            period, total = grid[-1], cumulative[-1]
            lookup = np.zeros(len(streams.count), dtype=np.int64)
            lookup[here] = np.arange(len(here))
            begin = (streams.start_us[here] + streams.shift_us[here]).astype(np.float64)
            finish = (streams.end_us[here] + streams.shift_us[here]).astype(np.float64)
            mass = [
                np.floor(edge / period) * total + np.interp(np.mod(edge, period), grid, cumulative)
                for edge in (begin, finish)
            ]
            of_stream = lookup[stream[rows]]
            target = mass[0][of_stream] + position[rows] * (mass[1] - mass[0])[of_stream]
            laps = np.floor(target / total)
            moment = laps * period + np.interp(target - laps * total, cumulative, grid)
            out[rows] = moment.astype(np.int64) - streams.shift_us[stream[rows]]
        return out

    def _curve(self, curve: int) -> tuple[Floats, Floats]:
        base, exponent = divmod(curve, len(_EXPONENTS))
        grid = self._grids[base]
        rate = np.power(self._cumulative[base], _EXPONENTS[exponent])
        return grid, np.concatenate([[0.0], np.cumsum(rate)])


def _human_curves() -> list[Floats]:
    """Hourly weights of a week for different people: a peak in the day, little sleep-time, weekends of their own.

    Assumption: no public data set ties one person's hours together; widths and weekend shares are plain guesses.
    """
    rng = np.random.default_rng(20_260_301)
    hours = np.arange(168)
    curves = []
    for _ in range(HUMAN_CURVES):
        peak, width = rng.uniform(9.5, 21.0), rng.uniform(2.0, 4.5)
        distance = np.abs((hours % 24 + 0.5 - peak + 12) % 24 - 12)
        day = np.exp(-0.5 * np.square(distance / width)) + 0.25 * np.exp(
            -0.5 * np.square(((hours % 24 - peak + rng.uniform(3, 6) + 12) % 24 - 12) / 1.5)
        )
        weekend = np.where(hours // 24 >= 5, rng.uniform(0.15, 1.3), 1.0)
        curves.append(day * weekend * rng.lognormal(0, 0.25, 168) + 0.004)
    return curves


def build_clients(client: Ints, at_s: Ints, rate: Floats, cv: Floats) -> Clients:
    """The library from one row a client and window: when, requests a second, variation of the gaps.

    `client` must be unique over models. Windows are equally long; a client's trace is repeated end to end.
    """
    order = np.lexsort((at_s, client))
    client, at_s, rate, cv = client[order], at_s[order], rate[order], cv[order]
    grids: list[Floats] = []
    rates: list[Floats] = []
    means: list[float] = []
    variation: list[float] = []
    for rows in np.split(np.arange(len(client)), np.flatnonzero(np.diff(client)) + 1):
        if len(rows) < 6 or rate[rows].sum() <= 0:
            continue
        step = int(np.median(np.diff(at_s[rows])))
        weight = np.asarray(rate[rows] + 0.01 * float(rate[rows].mean()), dtype=np.float64)
        days = max(1, round(len(rows) * step / 86_400))
        if days < 7:
            weight = np.tile(weight, int(np.ceil(7 / days)))
        grids.append(np.arange(len(weight) + 1, dtype=np.float64) * step * 1e6)
        rates.append(np.asarray(weight / float(weight.mean()), dtype=np.float64))
        means.append(float(rate[rows].mean()))
        active = cv[rows][rate[rows] > 0]
        variation.append(float(np.clip(np.median(active), 0.5, 4.0)))
    if len(means) < 8:
        raise PoolError(
            f"the traffic table describes {len(means)} clients; at least 8 are needed",
            hint="give ServeGen's client rates: category, model, client, t_s, rate_rps, cv",
        )
    for curve in _human_curves():
        grids.append(np.arange(169, dtype=np.float64) * HOUR_US)
        rates.append(np.asarray(curve / float(curve.mean()), dtype=np.float64))
        variation.append(1.0)
    return Clients(grids, rates, np.array(means), np.array(variation))


def read_clients(path: Path) -> Clients:
    """The library from ServeGen's client rates (Parquet), or from a folder that holds `servegen_client_rates.parquet`.

    Raises
    ------
    PoolError
        The file is missing, lacks a column or holds too few clients.
    """
    import pyarrow.compute as pc

    file = path / "servegen_client_rates.parquet" if path.is_dir() else path
    table = read_input(file, ("category", "model", "client", "t_s", "rate_rps", "cv"), what="table of client rates")
    model = pc.binary_join_element_wise(table["category"].cast("string"), table["model"].cast("string"), "/")
    code = pc.dictionary_encode(model).combine_chunks().indices.to_numpy().astype(np.int64)
    number: NDArray[np.int64] = code * 100_000 + table["client"].to_numpy().astype(np.int64)
    columns = [table[name].to_numpy() for name in ("t_s", "rate_rps", "cv")]
    return build_clients(
        number, columns[0].astype(np.int64), columns[1].astype(np.float64), columns[2].astype(np.float64)
    )
