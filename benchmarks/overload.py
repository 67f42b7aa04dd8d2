"""What becomes of requests when many times more come than the server can answer."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from benchmarks.cells import Cell, load_once
from benchmarks.offered_load import Offered, OfferedJob
from benchmarks.places import BENCHMARKS
from benchmarks.processes import ServerProcess
from benchmarks.wire import request
from benchmarks.workloads import workload

ANSWERED, REFUSED = "200", "429"
_CAPACITY_CONNECTIONS = 64
_BEYOND_THE_OFFER_S = 120.0
_EARLY_SHARE = 0.25
_LATE_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Overload:
    """What one round found.

    Attributes:
        capacity_per_s: requests a second at 64 connections, before.
        offered_per_s, sent_per_s: requests a second that were due, and those for which there was a connection.
        admitted_share: of those sent, the share that was answered.
        admitted_per_s: answers a second of the offer.
        admitted_p50_ms, admitted_p99_ms, refused_p50_ms, refused_p99_ms: from sending to the whole reply.
        resident_before_mb, resident_early_mb, resident_late_mb: of all the server's processes, after the capacity was
            measured, after a quarter of the overload and shortly before its end, in 10⁶ bytes.
        load_cpu_share: processor time of the load over the time it ran.
        load_lag_p99_ms: by how much the load itself woke up too late; it shares the machine with the server.
        num_lost: requests without a whole reply.
        replies: their number by status.
    """

    capacity_per_s: float
    offered_per_s: float
    sent_per_s: float
    admitted_share: float
    admitted_per_s: float
    admitted_p50_ms: float
    admitted_p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    resident_before_mb: float
    resident_early_mb: float
    resident_late_mb: float
    load_cpu_share: float
    load_lag_p99_ms: float
    num_lost: int
    replies: Mapping[str, int]


def offer(job: OfferedJob) -> Offered:
    """Offer a load by a process of its own.

    Raises:
        RuntimeError: it failed.
    """
    program = [sys.executable, str(BENCHMARKS / "offered_load.py")]
    ended = subprocess.run(program, input=json.dumps(asdict(job)), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"the load failed: {ended.stderr}")
    return Offered(**json.loads(ended.stdout))


def measure_overload(
    server: ServerProcess, service: str, capacity_seconds: float, times: float, connections: int, seconds: float
) -> Overload:
    """Find the capacity of `service`, then offer `times` as much.

    Raises:
        RuntimeError: a load failed, or it was none that the server could not answer.
    """
    work = workload(service)
    cell = Cell()
    load_once(server, work, _CAPACITY_CONNECTIONS, capacity_seconds, cell)
    capacity = cell.measured[0].requests_per_s
    resident_before_mb = server.resident_mb()
    requests = [request(server.port, work.path, work.fields(text)).decode() for text in work.texts]
    longest_s = seconds + _BEYOND_THE_OFFER_S
    job = OfferedJob(server.port, requests, times * capacity, connections, seconds, longest_s)
    with ThreadPoolExecutor(1) as thread:
        offering = thread.submit(offer, job)
        time.sleep(_EARLY_SHARE * seconds)
        resident_early_mb = server.resident_mb()
        time.sleep((_LATE_SHARE - _EARLY_SHARE) * seconds)
        resident_late_mb = server.resident_mb()
        offered = offering.result()
    if not {ANSWERED, REFUSED} <= offered.replies.keys():
        raise RuntimeError(f"the load was no overload: {offered.replies}")
    return Overload(
        capacity_per_s=capacity,
        offered_per_s=offered.num_due / seconds,
        sent_per_s=offered.num_sent / seconds,
        admitted_share=offered.replies[ANSWERED] / offered.num_sent,
        admitted_per_s=offered.replies[ANSWERED] / seconds,
        admitted_p50_ms=offered.p50_ms[ANSWERED],
        admitted_p99_ms=offered.p99_ms[ANSWERED],
        refused_p50_ms=offered.p50_ms[REFUSED],
        refused_p99_ms=offered.p99_ms[REFUSED],
        resident_before_mb=resident_before_mb,
        resident_early_mb=resident_early_mb,
        resident_late_mb=resident_late_mb,
        load_cpu_share=offered.cpu_share,
        load_lag_p99_ms=offered.lag_p99_ms,
        num_lost=offered.num_lost,
        replies=offered.replies,
    )
