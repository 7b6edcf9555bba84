"""What a dask cluster costs, on one machine: overhead a call, two workers against one, 64 workers that only sleep.

  python -m tests.benchmarks.cluster --images 2000 --queries 32 --seconds 0.5

Workers are single-threaded. Efficiency of two: seconds of one worker over twice those of two, for the same calls, in
turn, the best of three; on a busy machine the processor's own seconds say more. The simulated cluster goes through
dask's real scheduler in this process; each of its tasks carries a call's queries and answers and sleeps as long as a
call takes.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

from compare.study.networks import TrainingSet
from compare.study.workers import Workers, cluster

SIDE = 32


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--images", type=int, default=2000)
    parse.add_argument("--queries", type=int, default=32)
    parse.add_argument("--seconds", type=float, default=0.5, help="of a call on the simulated cluster")
    args = parse.parse_args()
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (args.images, 1, SIDE, SIDE)).astype(np.float32)
    x = images[: args.queries] + 0.5 * rng.normal(size=(args.queries, 1, SIDE, SIDE))
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    found = {count: of_workers(count, images, x) for count in (1, 2)}
    wall, cpu = ({count: one[i] for count, one in found.items()} for i in (0, 1))
    for count in (1, 2):
        print(f"{count} workers: {wall[count]:.2f} s, {cpu[count]:.2f} s of CPU")
    print(f"efficiency {wall[1] / wall[2] / 2:.2f}, by CPU time {cpu[1] / cpu[2]:.2f}")
    simulated(64, args.seconds, x[:4])


def of_workers(count: int, images: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of the workers, of one denoising of x; prints the overhead a call."""
    with cluster(f"local:{count}", count) as workers:
        els = workers.machines(TrainingSet(images, None, "zeros", ""))("equivariant_local")
        els.denoise(x[:count], 0.5, patch_size=7)  # built, compiled, and priced
        if count == 1:
            print(f"overhead {1e3 * overhead(workers):.1f} ms a call")
        took = []
        for _ in range(3):
            before, started = cpu_seconds(workers), time.perf_counter()
            els.denoise(x, 0.5, patch_size=7)
            took.append((time.perf_counter() - started, cpu_seconds(workers) - before))
    return min(took)


def cpu_seconds(workers: Workers) -> float:
    return sum(workers.executor.run(time.process_time).values())


def overhead(workers: Workers, calls: int = 200) -> float:
    """Seconds of a call that does nothing, one after the other."""
    started = time.perf_counter()
    for i in range(calls):
        workers.submit(abs, -i).result()
    return (time.perf_counter() - started) / calls


def simulated(count: int, seconds: float, x: np.ndarray, rounds: int = 10) -> None:
    """Prints the efficiency of workers that sleep instead of computing, in waves of calls as the samples of a study."""
    from distributed import Client, LocalCluster

    def sleep(_, x):
        time.sleep(seconds)
        return x

    with LocalCluster(n_workers=count, threads_per_worker=1, processes=False, memory_limit=None,
                      dashboard_address=None) as started, \
            Client(started) as client:
        client.gather(client.map(abs, range(4 * count), pure=False))
        began = time.perf_counter()
        client.gather([client.submit(sleep, i, x, pure=False) for i in range(rounds * count)])
        took = time.perf_counter() - began
    print(f"{count} simulated workers, {rounds * count} calls of {seconds} s: {took:.2f} s, efficiency "
          f"{rounds * seconds / took:.2f}")


if __name__ == "__main__":
    main()
