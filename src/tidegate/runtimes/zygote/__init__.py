"""A zygote: one process per Python runtime, imports done, that forks model servers on request.

    python -m tidegate.runtimes.zygote tidegate.runtimes.sklearnserver [--preload a,b] [--room ....]

preload -> check (one thread, nothing running) -> freeze -> wait for births

What never happens here: loading a model, a prediction, an OpenMP region, an ONNX session, code of a user.
A child that was forked from a parent with a thread pool waits for threads that it doesn't have.
See docs/decisions/0019-zygotes.md.
"""
