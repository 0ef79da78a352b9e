"""All benchmarks: `python -m benchmarks`; figures go to results/benchmarks/."""

from benchmarks import scale, speed, truth

truth.main()
speed.main()
scale.main()
