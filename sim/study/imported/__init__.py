"""Result files of load generators as rows of the tidy measurement schema: guidellm, inference-perf, vllm bench serve.

rows(path, facts)        tidy rows, as dicts of text by column (see `sim.study.rows`)
ResultFile(path, facts)  a path that carries what its file does not say, for everything that takes measured files
"""

from sim.study.imported.describe import ResultFile, parse_facts
from sim.study.imported.result import rows

__all__ = ["ResultFile", "parse_facts", "rows"]
