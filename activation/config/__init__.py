"""The YAML files to a workspace, with all mistakes told at once.

In: muster.yml, audiences/*.yml, destinations/*.yml, environment variables.
Out: a `model.workspace.Workspace`, and a list of problems with file and line.
"""
