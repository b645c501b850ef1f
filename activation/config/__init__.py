"""YAML files to one frozen workspace, with all mistakes reported at once.

In: muster.yml, the files in audiences/, destinations/, policies/ and sources/, environment variables.
Out: a `model.workspace.Workspace`, and a list of problems with file and line.

    sources                  which YAML files a workspace has, and their bytes
    yaml_syntax, yaml_reader text of one file to scalars with their lines; environment variables put in
    parse                    scalars to a model; Pydantic's errors to problems
    models, fields           the keys of each file, and the type of each key
    scalars, *_values, times parsers of values: the rule for one value, and its message
    settings                 muster.yml: sources, state, retention; `connections` too
    profiles, merging        where profiles come from; sources, namespaces and merge policies, checked together
    source_files             a file in sources/; its model in `source_models`
    audiences                a file in audiences/
    activations              a file in destinations/; with `columns`, `presets`, `encryption`, `connections`
    schedules, ids           what these share
    workspace                all files together: what spans files
    cache_format             a workspace as JSON and back, for the config cache

To find the code for a YAML key: its model in `models`, its type in `fields`, and the parser named there; what the value
must fit is checked by the builder of its file.
"""
