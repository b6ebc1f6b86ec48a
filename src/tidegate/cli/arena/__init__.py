"""Arena's command line: `arena serve ...` for people who have typed it for years.

Each command renders the documents that Arena's charts would make and hands them to the API; nothing
here serves or scales. What the flags mean: `options.py`; what is made of them: `render_*.py`.
Source: kubeflow/arena v0.15 (pkg/argsbuilder, pkg/serving, charts).
"""
