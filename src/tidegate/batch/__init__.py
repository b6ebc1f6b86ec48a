"""Batch inference: rows of a data set through a service, each exactly once in the output.

    rows -> shapes (a request for them) -> calls (tries, pace) -> ledger (order) -> spool (disk) -> publish

`runner.run_batch` puts them together; `openai` serves the same as OpenAI's Batch API.
"""
