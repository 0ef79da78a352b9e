"""A conventional web service as a mechanism: answers are computed once and reused, bytes are bought in bulk.

Items are asked for by Zipf popularity; an answer once computed is served from a cache until it expires. So the share
of requests that need computing falls as use grows, which is what makes conventional software cheap at scale, and it is
the mechanism, not an exponent, that is borrowed. Egress follows published price tiers; servers come whole, one spare.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

DAYS_PER_MONTH = 365 / 12
GB_PER_TB = 1000.0
EGRESS_TIERS = (
    (10.0, 0.085),
    (50.0, 0.080),
    (150.0, 0.060),
    (500.0, 0.040),
    (1024.0, 0.030),
    (5120.0, 0.025),
    (math.inf, 0.020),
)
"""Up to so many TB in a month at so many $/GB: Amazon CloudFront, United States, list
(aws.amazon.com/cloudfront/pricing, 2026; the edges between 10 TB and 5 PB are unverified)."""
RANK_BINS = 400


@dataclass(frozen=True)
class Service:
    """What the comparator is made of; each figure with its origin.

    items: pages that there are (Wikipedia in English has about 7 million; unverified).
    zipf: exponent of popularity by rank (0.64 to 0.83 over six proxies, Breslau et al., INFOCOM 1999; unverified).
    fresh_s: time that a computed page may be served for [s] (assumption).
    compute_s: processor time to compute a page [s]: 447 h a day for 66.3 million page loads, Stack Overflow, February
        2016 (stackoverflow.blog/2016/02/17), an average that has some reuse in it already.
    serve_s: processor time to serve a computed page [s] (assumption: 5,000 a second and core).
    page_bytes: bytes sent for one page (assumption).
    usd_per_core_hour: of rented servers (unverified: about $0.04 to 0.05 a virtual core on demand).
    cores_per_server, utilization: servers come whole and run at most this full at the peak (assumptions).
    code_usd_per_year: people who write the code, whatever the use (assumption; two or three engineers).
    """

    items: float = 7e6
    zipf: float = 0.8
    fresh_s: float = 86_400.0
    compute_s: float = 447 * 3600 / 66.3e6
    serve_s: float = 2e-4
    page_bytes: float = 1e5
    usd_per_core_hour: float = 0.045
    cores_per_server: int = 16
    utilization: float = 0.5
    code_usd_per_year: float = 5e5


@dataclass(frozen=True)
class Day:
    """A day of the service: requests, share served from the cache [1], and cost by part [$]."""

    requests: float
    hit_rate: float
    compute_usd: float
    egress_usd: float
    code_usd: float

    @property
    def usd(self) -> float:
        return self.compute_usd + self.egress_usd + self.code_usd


def hit_rate(requests_per_s: float, service: Service) -> float:
    """Share of requests that find their answer computed already.

    A page asked for at rate r and fresh for a time T is computed once in every T + 1/r on average, so that of its
    requests r T / (1 + r T) are hits (a renewal argument; Jung, Berger and Balakrishnan, INFOCOM 2003). Rates by rank
    follow Zipf's law; ranks are summed in bins of equal ratio.
    """
    edges = np.unique(np.round(np.geomspace(1, service.items + 1, RANK_BINS)))
    ranks = np.sqrt(edges[:-1] * (edges[1:] - 1 + 1e-9).clip(min=edges[:-1]))
    count = np.diff(edges)
    weight = ranks**-service.zipf
    share = weight / float((weight * count).sum())
    asked = requests_per_s * share * service.fresh_s
    return float((count * share * asked / (1 + asked)).sum())


def egress_usd(tb_per_month: float) -> float:
    """Price of a month's egress [$] by the tiers, each part at its own price."""
    total, below = 0.0, 0.0
    for upto, usd_per_gb in EGRESS_TIERS:
        part = min(tb_per_month, upto) - below
        if part <= 0:
            break
        total += part * GB_PER_TB * usd_per_gb
        below = upto
    return total


def day(
    requests_per_day: float,
    *,
    peak: float = 1.0,
    service: Service | None = None,
    reuse: bool = True,
    tiers: bool = True,
) -> Day:
    """A day of the service at `requests_per_day`.

    peak: rate of the busiest hour over the mean, which servers are bought for.  reuse: without it every page is
    computed anew, as a generated answer is.  tiers: without them every byte costs the first tier's price.
    """
    s = service or Service()
    rate = requests_per_day / 86_400.0
    hits = hit_rate(rate, s) if reuse else 0.0
    each_s = s.serve_s + (1 - hits) * s.compute_s
    cores = rate * peak * each_s / s.utilization
    servers = math.ceil(cores / s.cores_per_server) + 1
    tb = requests_per_day * s.page_bytes / 1e12 * DAYS_PER_MONTH
    monthly = egress_usd(tb) if tiers else tb * GB_PER_TB * EGRESS_TIERS[0][1]
    return Day(
        requests=requests_per_day,
        hit_rate=hits,
        compute_usd=servers * s.cores_per_server * s.usd_per_core_hour * 24,
        egress_usd=monthly / DAYS_PER_MONTH,
        code_usd=s.code_usd_per_year / 365,
    )
