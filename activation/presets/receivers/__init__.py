"""Well-known receivers, one module each, named as the preset is, which holds a ``PRESET``. Adding one is adding a file here.

In: nothing; each table comes from the receiver's public documentation, on the pages that it names.
Out: a `muster.activation.presets.shape.Preset` a module.
"""
