"""Batch inference: rows of a data set through a service, each exactly once in the output.

    rows -> shapes (a request for them) -> calls (tries, pace) -> ledger (order) -> spool (disk) -> publish

`serving` has the rows of one start, `runner.run_batch` the whole run; `openai` serves the same as OpenAI's Batch API.
"""
