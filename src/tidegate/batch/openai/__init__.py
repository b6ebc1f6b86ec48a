"""OpenAI's Batch API: files and batches, kept in a folder, worked on by Jobs.

`app` answers requests and holds nothing in memory; `work` is what a batch's Job runs. Both may be
killed at any moment: each file of a record has one writer and is replaced whole.
"""
