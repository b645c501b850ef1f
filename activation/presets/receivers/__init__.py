"""One module per receiver, named like its preset. A new preset is a new module here, with a table ``PRESET``.

In: nothing; each table is written from the receiver's public documentation, on the pages that it names.
Out: a `muster.activation.presets.shape.Preset` per module.
"""
