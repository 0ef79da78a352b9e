"""All benchmarks: `python -m benchmarks`; figures go to results/benchmarks/."""

from benchmarks import scale, speed

speed.main()
scale.main()
