"""Where finished files are delivered: a folder of this machine, or a store on another one.

In: a destination of the config and the state's staging folder.
Out: a target that stages, publishes, compares and removes files.
"""
