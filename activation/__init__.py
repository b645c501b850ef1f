"""What an export is: from files to memberships to delivered files. Knows no schedule and no terminal.

    profiles, events, memberships --> evaluation --> memberships --+
                                             delivered set --------+--> comparison --> files --> delivery --> state

The packages, lowest first: each imports only those before it, and its docstring says what it is, what comes in and what
goes out.

    errors instants wording | model system frames values sql rules stores destinations encryption presets
    config inputs state profiles mapping comparison files session evaluation delivery export redelivery audit upkeep

This package re-exports nothing: `import muster` offers the errors and nouns, and is the one list of what is public. A
second list would be imported with every module below.

In: a checked config, an instant, Parquet files.
Out: delivered files, and what was done in the state folder.
"""
