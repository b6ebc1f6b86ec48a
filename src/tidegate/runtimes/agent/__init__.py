"""KServe's agent: a small proxy beside a model that batches predictions and logs requests and answers.

Source: kserve cmd/agent, pkg/batcher, pkg/logger.
"""
